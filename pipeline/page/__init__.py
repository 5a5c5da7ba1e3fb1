"""The page: the pictures of a campaign in a browser, for the people of the sheet.

    gate       who may look, and whose clicks count
    cards      what is shown of one take of a row, and what may be done about it
    reading    what the rows of the sheet say of themselves now
    wall       all cards of the campaign, found and counted
    pictures   saved files, and small ones of them
    views      what is shown, as HTML; `live`: what changes, as it happens
    deeds      what the buttons do

Nothing here asks the API or the sheet for anything: the store says how things stand, and what a
button asks for is noted there for the next pass.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Route

from pipeline.campaign import Campaign
from pipeline.page.deeds import Deeds
from pipeline.page.gate import Gate
from pipeline.page.views import Views
from pipeline.page.wall import Wall


def routes(campaigns: Sequence[Campaign], gate: Gate) -> list[BaseRoute]:
    """All that the page answers to, for these campaigns; `gate` stands before each of them."""
    walls = [Wall(campaign) for campaign in campaigns]
    views, deeds = Views(walls, gate), Deeds(walls)
    visitors, everybody = gate.only_visitors, gate.open_to_all
    card = "{sheet:int}/{row_id}/{take:int}"
    return [
        Route("/", visitors(views.wall, shows=True)),
        Route(f"/row/{card}", visitors(views.card, shows=True)),
        Route(f"/picture/{card}/{{number:int}}", visitors(views.picture)),
        Route(f"/small/{card}/{{number:int}}", visitors(views.small)),
        Route("/live/{sheet:int}", visitors(views.live)),
        Route(f"/again/{card}", visitors(deeds.again), methods=["POST"]),
        Route(f"/retry/{card}", visitors(deeds.retry), methods=["POST"]),
        Route(f"/dismiss/{card}", visitors(deeds.dismiss), methods=["POST"]),
        Route(f"/restore/{card}", visitors(deeds.restore), methods=["POST"]),
        Route("/pause/{sheet:int}", visitors(deeds.pause), methods=["POST"]),
        Route("/resume/{sheet:int}", visitors(deeds.resume), methods=["POST"]),
        Route("/logout", visitors(views.logout), methods=["POST"]),
        Route("/login", everybody(views.door), methods=["GET", "POST"]),
        Route("/enter/{code}", everybody(views.enter)),
        Route("/static/{name}", everybody(views.static)),
    ]
