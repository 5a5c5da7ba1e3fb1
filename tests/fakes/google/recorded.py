"""The yardstick: replies of the real Google that gspread's own test suite has recorded.

    python -m tests.fakes.google.recorded FOLDER     # gspread's tests/cassettes

Each session begins where a spreadsheet was created. Its calls of the Sheets API are sent in their
order to a server of our own, and the answers compared: status and JSON. Numbers that Google chooses
(of files, tabs, named and protected ranges) and the account's address stand for ours from where an
answer first shows them.
Calls of the Drive API are no part of this; those that create or copy a file make one here.
The default format, the theme and the address of a spreadsheet are not compared. What the world has
besides is told to the server: files that a listing of Drive shows exist, and one that Google
answers 403 for is somebody's.

Of the recordings of 2026-04, 1,500 of 1,508 calls are answered equal. The others:

- 6: a CSV was imported through the Drive API before, which is not spoken here: its tab, its title
  and its time zone are not there (test_import_csv);
- 2: the width that a column gets which is fitted to its text: we have no fonts to measure
  (test_auto_resize_columns).
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import requests

from tests.fakes.google.grid import Book
from tests.fakes.google_sheets import EMAIL, GoogleSheets, google_sheets

CHOSEN = frozenset({"spreadsheetId", "sheetId", "namedRangeId", "protectedRangeId", "users"})
LEFT_OUT = frozenset({"defaultFormat", "spreadsheetTheme", "spreadsheetUrl"})


@dataclass(frozen=True)
class Miss:
    """A call that was answered otherwise."""

    where: str
    call: str
    body: str
    recorded: str
    ours: str
    reason: str


@dataclass
class Replay:
    """One session, from where its spreadsheet is created."""

    google: GoogleSheets
    http: requests.Session
    token: str
    name: str
    ids: dict[object, object] = field(default_factory=dict)
    equal: int = 0
    #: Calls that differ in more than the numbers in them.
    different: set[str] = field(default_factory=set)
    misses: list[Miss] = field(default_factory=list)

    def follow(self, interaction: dict[str, Any]) -> None:
        request, response = interaction["request"], interaction["response"]
        parts = urlsplit(request["uri"])
        status, text = response["status"]["code"], response["body"]["string"]
        if parts.netloc != "sheets.googleapis.com":
            self._drive(request["method"], parts.path, status, request["body"], text)
            return
        recorded = json.loads(text)
        path = parts.path
        number = unquote(path.split("/")[3]).partition(":")[0]
        if status == 403 and number not in self.ids:
            self._new(number, "somebody's").editors.clear()
        path = path.replace(number, str(self.ids.get(number, number)))
        sent = self._mapped(json.loads(request["body"])) if request["body"] else None
        reply = self.http.request(
            request["method"],
            f"{self.google.url}{path}?{parts.query}",
            data=json.dumps(sent) if sent is not None else None,
            headers={"Authorization": self.token},
            timeout=20,
        )
        named = parts.path.partition(number)[2], parts.query, str(request["body"])
        self.different.add(str((self.name, request["method"], *named)))
        ours = _bare(reply.json())
        recorded = _bare(recorded)
        self._learn(recorded, ours)
        recorded = self._mapped(recorded)
        if (reply.status_code, ours) == (status, recorded):
            self.equal += 1
        else:
            call = f"{request['method']} {unquote(parts.path.partition(number)[2])} {parts.query}"
            self.misses.append(
                Miss(
                    self.name,
                    call,
                    request["body"] or "",
                    f"{status} {json.dumps(recorded)}",
                    f"{reply.status_code} {json.dumps(ours)}",
                    _first_difference(recorded, ours),
                )
            )

    def _drive(self, method: str, path: str, status: int, body: str, text: str) -> None:
        if status != 200 or not path.startswith("/drive/v3/files"):
            return
        if method == "GET" and path == "/drive/v3/files":
            for one in json.loads(text)["files"]:
                if one["id"] not in self.ids:
                    self._new(one["id"], one["name"])
        if method != "POST":
            return
        said = json.loads(text)
        if path.endswith("/copy"):
            source = self.google.books[str(self.ids[path.split("/")[4]])]
            book = self._new(said["id"], said["name"])
            book.sheets = [one.clone() for one in source.sheets]
        elif path == "/drive/v3/files":
            self._new(said["id"], said["name"])

    def _new(self, number: str, title: str) -> Book:
        book = self.google.new_book(title)
        self.ids[number] = book.id
        return book

    def _learn(self, recorded: Any, ours: Any) -> None:
        for path, one, other in _beside(recorded, ours):
            if path in CHOSEN and one != 0 and other != 0:
                self.ids.setdefault(one, other)

    def _mapped(self, said: Any, name: str = "") -> Any:
        if isinstance(said, dict):
            return {key: self._mapped(one, key) for key, one in said.items()}
        if isinstance(said, list):
            return [self._mapped(one, name) for one in said]
        chosen = name in CHOSEN or name == "sourceSheetId"
        return self.ids.get(said, said) if chosen and said else said


def _bare(said: Any) -> Any:
    if isinstance(said, dict):
        return {key: _bare(one) for key, one in said.items() if key not in LEFT_OUT}
    return [_bare(one) for one in said] if isinstance(said, list) else said


def _beside(one: Any, other: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """What stands at the same place in both."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() & other.keys():
            yield from _beside(one[key], other[key], key)
    elif isinstance(one, list) and isinstance(other, list):
        for left, right in zip(one, other, strict=False):
            yield from _beside(left, right, name)
    elif not isinstance(one, (dict, list)):
        yield name, one, other


def _first_difference(one: Any, other: Any, at: str = "") -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            if key not in other:
                return f"{at}.{key} is missing"
            if key not in one:
                return f"{at}.{key} is too much"
            if one[key] != other[key]:
                return _first_difference(one[key], other[key], f"{at}.{key}")
    if isinstance(one, list) and isinstance(other, list):
        for left, right in zip(one, other, strict=False):
            if left != right:
                return _first_difference(left, right, f"{at}[]")
        return f"{at} has another length"
    return f"{at} is another"


def replay(folder: Path) -> tuple[int, int, list[Miss]]:
    """All sessions of the folder: how many calls are equal, how many differ, and the others."""
    equal, misses = 0, []
    different: set[str] = set()
    with google_sheets(reads=10**9, writes=10**9) as google, requests.Session() as http:
        google.tokens.given["replay"] = EMAIL, float("inf")
        for path in sorted(folder.glob("*.json")):
            session = None
            for one in json.loads(path.read_text("utf-8"))["interactions"]:
                request = one["request"]
                begins = request["method"] == "POST" and "/drive/v3/files?" in request["uri"]
                if session is None or (begins and session.equal + len(session.misses)):
                    session = Replay(
                        google,
                        http,
                        "Bearer replay",
                        path.stem,
                        {} if session is None else dict(session.ids),
                    )
                before = session.equal, len(session.misses)
                session.follow(one)
                different |= session.different
                equal += session.equal - before[0]
                misses += session.misses[before[1] :]
            google.log.clear()
    return equal, len(different), misses


def main(folder: Path, *, in_full: bool) -> None:
    """Print how many are equal, and the rest by its reasons."""
    equal, different, misses = replay(folder)
    calls = equal + len(misses)
    share = f"{equal / max(1, calls):.1%}"
    print(f"{equal} of {calls} calls ({different} different ones) are answered equal: {share}")
    for reason, count in Counter(miss.reason for miss in misses).most_common():
        print(f"{count:5}  {reason}")
        for miss in misses:
            if in_full and miss.reason == reason:
                print(f"       {miss.where}: {miss.call} {miss.body[:300]}")
                print(
                    f"         recorded {miss.recorded[:700]}\n         ours     {miss.ours[:700]}"
                )


if __name__ == "__main__":
    main(Path(sys.argv[1]), in_full="--in-full" in sys.argv)
