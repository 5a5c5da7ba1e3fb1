"""The page: the pictures of a campaign in a browser, for the people of the sheet.

    auth           who may see the page, and which forms count
    attempt_limit  how often a token may be tried
    sign_in        signing in and out
    board          all cards of the campaign, found and counted
    cards          what is shown of one take of a row, and what may be done about it
    sheet_reader   what the rows of the sheet contain now
    thumbnails     saved files, and small versions of them
    downloads      many saved files as one zip file
    views          what is shown, as HTML, and what changes while it is open
    rendering      templates and static files
    actions        what the buttons do

Nothing here asks the API or the sheet for anything: the store says how things stand, and what a
button asks for is noted there for the next pass.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import BaseRoute, Route

from pipeline.page.actions import Deeds
from pipeline.page.auth import Gate
from pipeline.page.board import Wall
from pipeline.page.sign_in import Door
from pipeline.page.views import Views
from pipeline.sync.configured_sheet import Campaign

__all__ = ["Gate", "routes"]


class _Number(Convertor[int]):
    """A number in an address: short enough for every place that it is used in."""

    regex = "[0-9]{1,9}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("number", _Number())


def routes(campaigns: Sequence[Campaign], gate: Gate) -> list[BaseRoute]:
    """All that the page answers to, for these campaigns; `gate` checks each request first."""
    walls = [Wall(campaign) for campaign in campaigns]
    views, deeds, door = Views(walls, gate), Deeds(walls), Door(gate)
    visitors, everybody = gate.only_visitors, gate.open_to_all
    card = "{sheet:number}/{row_id}/{take:number}"
    return [
        Route("/", visitors(views.wall, shows=True)),
        Route(f"/row/{card}", visitors(views.card, shows=True)),
        Route(f"/picture/{card}/{{number:number}}", visitors(views.picture)),
        Route(f"/small/{card}/{{number:number}}", visitors(views.small)),
        Route(f"/zip/{card}", visitors(views.zip_of_row)),
        Route("/zip/{sheet:number}", visitors(views.zip_of_picked)),
        Route("/live/{sheet:number}", visitors(views.live)),
        Route(f"/again/{card}", visitors(deeds.again), methods=["POST"]),
        Route(f"/retry/{card}", visitors(deeds.retry), methods=["POST"]),
        Route(f"/approve/{card}", visitors(deeds.approve), methods=["POST"]),
        Route(f"/unapprove/{card}", visitors(deeds.unapprove), methods=["POST"]),
        Route(f"/dismiss/{card}", visitors(deeds.dismiss), methods=["POST"]),
        Route(f"/restore/{card}", visitors(deeds.restore), methods=["POST"]),
        Route("/pause/{sheet:number}", visitors(deeds.pause), methods=["POST"]),
        Route("/resume/{sheet:number}", visitors(deeds.resume), methods=["POST"]),
        Route("/logout", visitors(door.sign_out), methods=["POST"]),
        Route("/login", everybody(door.sign_in), methods=["GET", "POST"]),
        Route("/enter/{code}", everybody(door.link), methods=["GET", "POST"]),
        Route("/static/{name}", everybody(door.static)),
    ]
