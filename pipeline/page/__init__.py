"""The page: the pictures of a campaign in a browser, for the marketing team.

    accounts       who may sign in with which token
    languages      the language before a visitor has opened a sheet
    auth           signing in, sessions, and protection against forged forms
    origin         whether a request was sent to our own name, and a form by our own page
    attempt_limit  how often a caller may try a token
    sign_in        the pages for signing in and out
    board          all cards of a campaign, kept up to date
    changes        which rows have changed since the last look
    snapshot       what the page shows at one moment: takes, totals, the state of the sheet
    sheet_status   the state of the sheet as a whole
    cards          one take of a row, and the buttons it has
    sheet_reader   what the rows of the sheet contain now
    thumbnails     saved files, and small versions of them
    place_reader   saved files on another machine as responses
    downloads      many saved files as one zip file
    views          the pages as HTML, and live updates
    plans          what a run would send, cost and take
    texts          the texts that change often
    files          saved files for the browser
    rendering      templates and static files
    takes          all takes of a row beside each other
    following      rows that follow a picture
    history        what people did to a row, and what happened to it
    actions        what the buttons do

The page writes nothing into the sheet, and asks the API only for the balance of the account, when a
person opens a plan. It reads the store, and a button leaves a note in the store for the next pass.
A new row, too, is added by a pass.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import BaseRoute, Route

from pipeline.core.pictures.cell_links import PATH
from pipeline.page.actions import Actions
from pipeline.page.attempt_limit import Tries
from pipeline.page.auth import Authenticator
from pipeline.page.board import Board
from pipeline.page.files import FileViews
from pipeline.page.plans import PlanViews
from pipeline.page.sign_in import SignInPages
from pipeline.page.views import Views
from pipeline.sync.configured_sheet import Campaign

__all__ = ["Authenticator", "Tries", "routes"]


class _Number(Convertor[int]):
    """A number in an address, with at most 9 digits, so that SQLite and Python can store it."""

    regex = "[0-9]{1,9}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("number", _Number())


def routes(campaigns: Sequence[Campaign], auth: Authenticator) -> list[BaseRoute]:
    """All routes of the page for these campaigns; `auth` checks each request first."""
    boards = [Board(campaign) for campaign in campaigns]
    views, files = Views(boards, auth), FileViews(boards)
    actions, sign_in_pages = Actions(boards), SignInPages(auth)
    plans = PlanViews(boards)
    visitors, everybody = auth.signed_in_only, auth.public
    card = "{sheet:number}/{row_id}/{take:number}"
    return [
        Route("/", visitors(views.board, shows=True)),
        Route(f"/row/{card}", visitors(views.card, shows=True)),
        Route(f"/picture/{card}/{{number:number}}", visitors(files.picture)),
        Route(f"/small/{card}/{{number:number}}", visitors(files.small)),
        Route(f"/zip/{card}", visitors(files.zip_of_row)),
        Route(
            f"{PATH}/{{row_id}}/{{take:number}}/{{number:number}}",
            visitors(files.saved, shows=True),
        ),
        Route("/zip/{sheet:number}", visitors(files.zip_of_picked)),
        Route("/plan/{sheet:number}", visitors(plans.plan, shows=True)),
        Route("/live/{sheet:number}", visitors(views.live)),
        Route(f"/again/{card}", visitors(actions.again), methods=["POST"]),
        Route(f"/pick/{card}/{{number:number}}", visitors(actions.pick), methods=["POST"]),
        Route(f"/follow/{card}/{{number:number}}", visitors(actions.follow), methods=["POST"]),
        Route(f"/withdraw/{card}", visitors(actions.withdraw), methods=["POST"]),
        Route(f"/retry/{card}", visitors(actions.retry), methods=["POST"]),
        Route(f"/approve/{card}", visitors(actions.approve), methods=["POST"]),
        Route(f"/unapprove/{card}", visitors(actions.unapprove), methods=["POST"]),
        Route(f"/dismiss/{card}", visitors(actions.dismiss), methods=["POST"]),
        Route(f"/restore/{card}", visitors(actions.restore), methods=["POST"]),
        Route("/pause/{sheet:number}", visitors(actions.pause), methods=["POST"]),
        Route("/continue/{sheet:number}", visitors(actions.sample_seen), methods=["POST"]),
        Route("/resume/{sheet:number}", visitors(actions.resume), methods=["POST"]),
        Route("/logout", visitors(sign_in_pages.sign_out), methods=["POST"]),
        Route("/login", everybody(sign_in_pages.sign_in), methods=["GET", "POST"]),
        Route("/enter/{code}", everybody(sign_in_pages.link), methods=["GET", "POST"]),
        Route("/static/{name}", everybody(sign_in_pages.static)),
    ]
