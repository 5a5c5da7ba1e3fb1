"""Prepares a Google Sheet: checks access step by step, and fills an empty tab."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from pipeline.core.errors import SheetError
from pipeline.sheets.choices import Choices
from pipeline.sheets.google import formatting
from pipeline.sheets.google.client import GoogleRefused, Spreadsheet
from pipeline.sheets.google.tab import GoogleTab

_TRIAL: Final = "promptsheet-trial"
_TABS: Final = "properties.title"


class Setup:
    """One tab before it is used for the first time."""

    def __init__(self, spreadsheet: Spreadsheet, title: str = "", gid: int | None = None) -> None:
        self._sheets = spreadsheet
        self._tab = GoogleTab(spreadsheet, title, gid)

    def sign_in(self) -> None:
        """Get a token. Raises SheetError if Google gives none."""
        self._sheets.sign_in()

    def book(self) -> str:
        """The title of the spreadsheet. Raises SheetError if it cannot be read."""
        return str(self._sheets.about(_TABS).get("properties", {}).get("title", ""))

    def tab(self) -> str:
        """The title of the tab. If it is missing, raises SheetError with a list of the tabs."""
        self._tab.look()
        return self._tab.title

    @property
    def gid(self) -> int:
        """The tab's number."""
        return self._tab.gid

    def may_edit(self) -> None:
        """Change something and take it back, in one step. Raises SheetError if we may not."""
        create = {
            "metadataKey": _TRIAL,
            "location": {"sheetId": self.gid},
            "visibility": "DOCUMENT",
        }
        lookup = {"metadataKey": _TRIAL}
        delete = {"dataFilter": {"developerMetadataLookup": lookup}}
        try:
            self._sheets.change(
                [
                    {"createDeveloperMetadata": {"developerMetadata": create}},
                    {"deleteDeveloperMetadata": delete},
                ]
            )
        except GoogleRefused as e:
            who = self._sheets.account.called
            if e.code != 403:
                raise
            raise SheetError(
                f"{self._tab.book} is view-only for {who}. Share the sheet with {who} as Editor."
            ) from e

    def is_empty(self) -> bool:
        """Returns whether the tab has no content."""
        return not self._tab.look().grid

    def lay_out(
        self,
        rows: Sequence[Sequence[str]],
        ours: Collection[str],
        boxes: Collection[str],
        choices: Mapping[str, Choices],
    ) -> bool:
        """Write a header and rows into the tab if it is empty. Returns whether it was."""
        look = self._tab.look()
        if look.grid:
            return False
        titles = rows[0]
        at = {title: n for n, title in enumerate(titles)}
        added = {title: at[title] for title in ours if title in at}
        self._sheets.change(
            [
                # New columns, so that a cell that is filled at this moment is only moved.
                *formatting.new_columns(self.gid, 0, titles, look.wide, rows[1:]),
                *(formatting.named(self.gid, n) for n in added.values()),
                *formatting.dressed(self.gid, added, look.frozen),
                *(formatting.box(self.gid, at[title]) for title in boxes if title in at),
                *(
                    formatting.choice(self.gid, at[title], one.words, one.closed)
                    for title, one in choices.items()
                    if title in at
                ),
            ]
        )
        return True
