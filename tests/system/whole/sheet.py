"""A team that edits a sheet, with its own record of what it wrote.

The sheet has people's columns and ours. `Team` remembers what people wrote, line by line, so that
the sheet can be compared with it. It also remembers what people *asked for*: every pair of prompt
and take that was ever in a line. The team may not be charged for more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random

from pipeline.core.sheet.header import OURS
from tests.system.whole.chains import INDEXES, Chains, Wish
from tests.system.whole.desks import Desk
from tests.system.whole.line import (
    APPROVED,
    INDEX,
    NAME,
    PARENT,
    PROMPT,
    REMARK,
    SKIP,
    TAKE,
    Line,
)

SCRIBBLES = ("x", "done", "=1+1", "r_aaaaaaaaa", "https://elsewhere.example/x.png", "@SUM(A1)")
#: Ways to type a prompt: its words are the same, whatever surrounds them.
TYPED = ("{}", "{}", "{}", " {} ", "={}", "-{}\r\nand a fox", '"{}", they said', "a tree, {}")


@dataclass
class Saved:
    """The whole sheet at one moment, and what people had written in it."""

    content: object
    titles: list[str]
    lines: list[Line]


class Team:
    """People who edit a sheet: each gesture saves it as a spreadsheet program does."""

    def __init__(
        self,
        desk: Desk,
        titles: list[str],
        ours: list[str],
        is_sent: Callable[[str], bool] = lambda row_id: False,
    ) -> None:
        self.desk = desk
        #: True if the API received a request for the row with this id.
        self.is_sent = is_sent
        self.titles = titles
        self.all_titles = list(titles)
        self.lines: list[Line] = []
        self.trash: list[tuple[Line, dict[str, str]]] = []
        self.cleared: list[tuple[Line, dict[str, str]]] = []
        self.saves: list[Saved] = []
        #: Prompt -> (token, take) of every line that ever asked for it.
        self.wishes: dict[str, set[tuple[int, str]]] = defaultdict(set)
        #: Prompt -> how often people went back to it after it had failed.
        self.granted: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        #: What a line may be sent for -> when one was last there.
        self.asked_at: dict[Wish, datetime] = {}
        self.counts: Counter[str] = Counter()
        #: True if the program has written here: before that, a text in a column is a person's.
        self.is_served = False
        self.retakes = 0
        #: Prompts of fully copied lines: typed again they may count as that copy.
        self.copied_words: set[str] = set()
        #: Prompts of lines in which people edited our cells. An unrecognized row and a new one with
        #: the same prompt cannot be told apart if none of them has an id.
        self.odd_words: set[str] = set()
        self._number = 0
        self._save([*titles, *ours], [])

    # -- the file --------------------------------------------------------------------------------

    def read(self) -> tuple[list[str], list[list[str]]]:
        """The header and the rows, each as wide as the header."""
        rows = self.desk.rows()
        header = rows[0]
        return header, [row + [""] * (len(header) - len(row)) for row in rows[1:]]

    def written(self) -> list[dict[str, str]]:
        """Each line of the file by its titles."""
        header, rows = self.read()
        return [dict(zip(header, row, strict=True)) for row in rows]

    def assert_untouched(self) -> None:
        """Check that people's cells in the file are exactly what they wrote."""
        header, rows = self.read()
        places = [header.index(title) for title in self.titles]
        theirs = [title for title in header if title not in OURS]
        assert theirs == self.titles, f"people's columns are {self.titles}, the file has {theirs}"
        said = [[row[at] for at in places] for row in rows]
        wrote = [[line.cells.get(title, "") for title in self.titles] for line in self.lines]
        assert said == wrote, f"people wrote {wrote}, the file says {said}"

    def _save(self, header: list[str], rows: list[list[str]]) -> None:
        self.desk.save([header, *rows])

    # -- what was asked for ----------------------------------------------------------------------

    def is_asking(self, line: Line) -> bool:
        """True if the line may be sent, judging by what people can see."""
        ticked = APPROVED not in self.titles or line.cells.get(APPROVED, "") != ""
        return bool(line.words) and not line.cells.get(SKIP, "") and ticked

    def look_round(self, now: datetime) -> None:
        """Note the requests in the sheet at this moment."""
        if PROMPT not in self.titles:
            return
        chains = self.chains() if PARENT in self.titles else None
        for line in self.lines:
            if self.is_asking(line):
                for wish in chains.wishes(line) if chains else (Wish(line.words),):
                    self.asked_at[wish] = now

    def was_asked(self, wish: Wish, since: datetime) -> bool:
        """True if a line asked for this at that moment or later."""
        if not wish.parent:
            return self.asked_at.get(wish, datetime.min.replace(tzinfo=since.tzinfo)) >= since
        return any(at >= since and one.allows(wish) for one, at in self.asked_at.items())

    def chains(self) -> Chains:
        """Which line follows which now."""
        return Chains(self.lines, [cells.get("row_id", "") for cells in self.written()])

    def _note_wishes(self, before: dict[int, set[tuple[str, str, str]]]) -> None:
        if PROMPT not in self.titles:
            return
        for line in self.lines:
            if words := line.words:
                take = line.take if TAKE in self.titles else "1"
                if take.isdecimal() and int(take) > 0 and take != line.jumped:
                    self.wishes[words].add((line.token, take))
                if line.asks not in before[line.token]:
                    self.granted[words] += self.failed[words] > 0

    def do(self, name: str, pick: int, now: datetime) -> None:
        """Do one gesture; `pick` decides where and how."""
        self.look_round(now)
        before: dict[int, set[tuple[str, str, str]]] = defaultdict(set)
        for line in self.lines:
            before[line.token].add(line.asks)
        if len(self.saves) < 6 or pick % 3 == 0:
            self._keep()
        GESTURES[name][0](self, Random(pick))
        self.counts[name] += 1
        self._note_wishes(before)
        self.look_round(now)

    def possible(self) -> list[str]:
        """The gestures that would have an effect now; common ones are listed several times."""
        names = [name for name, (_, may) in GESTURES.items() if may(self)]
        return names + [name for name in EVERYDAY if name in names]

    def _keep(self) -> None:
        lines = [line.twin() for line in self.lines]
        self.saves = [
            *self.saves[-7:],
            Saved(self.desk.version(), list(self.titles), lines),
        ]

    # -- gestures --------------------------------------------------------------------------------

    def add(self, chance: Random) -> None:
        """A new row with new words, at the end."""
        self._insert(len(self.lines), self._new_line(self._fresh(chance)))

    def add_the_same(self, chance: Random) -> None:
        """A new row with the prompt of another one."""
        self._insert(len(self.lines), self._new_line(chance.choice(self._worded()).cells[PROMPT]))

    def insert_above(self, chance: Random) -> None:
        """A new row somewhere above."""
        self._insert(chance.randrange(len(self.lines)), self._new_line(self._fresh(chance)))

    def edit(self, chance: Random) -> None:
        """Another prompt in a row; sometimes that of another row."""
        line = chance.choice(self.lines)
        same = chance.random() < 0.2 and self._worded()
        self._reword(line, chance.choice(same).cells[PROMPT] if same else self._fresh(chance))

    def edit_back(self, chance: Random) -> None:
        """An earlier prompt of a row."""
        line = chance.choice([line for line in self.lines if line.earlier])
        self._reword(line, line.earlier.pop())

    def empty(self, chance: Random) -> None:
        """Empty the prompt of a row."""
        self._reword(chance.choice(self._worded()), "")

    def delete(self, chance: Random) -> None:
        """A whole row is deleted."""
        header, rows = self.read()
        at = chance.randrange(len(rows))
        self.trash.append((self.lines.pop(at), dict(zip(header, rows.pop(at), strict=True))))
        self._save(header, rows)

    def undo_the_delete(self, chance: Random) -> None:
        """Restore a deleted row with all its cells."""
        header, rows = self.read()
        line, cells = self.trash.pop(chance.randrange(len(self.trash)))
        self._mark_twin(line)
        at = chance.randrange(len(rows) + 1)
        self.lines.insert(at, line)
        rows.insert(at, self._as_row(header, line, cells))
        self._save(header, rows)

    def sort(self, chance: Random) -> None:
        """Whole rows in another order."""
        header, rows = self.read()
        order = list(range(len(rows)))
        chance.shuffle(order)
        self.lines = [self.lines[at] for at in order]
        self._save(header, [rows[at] for at in order])

    def move(self, chance: Random) -> None:
        """One row somewhere else."""
        header, rows = self.read()
        at, to = chance.randrange(len(rows)), chance.randrange(len(rows))
        rows.insert(to, rows.pop(at))
        self.lines.insert(to, self.lines.pop(at))
        self._save(header, rows)

    def copy_whole(self, chance: Random) -> None:
        """Copy a row with all its cells."""
        header, rows = self.read()
        at, to = chance.randrange(len(rows)), chance.randrange(len(rows) + 1)
        rows.insert(to, list(rows[at]))
        self.lines.insert(to, self._copied(self.lines[at]))
        self._save(header, rows)

    def copy_and_change(self, chance: Random) -> None:
        """Copy a row and change its prompt."""
        header, rows = self.read()
        at = chance.randrange(len(rows))
        rows.append(list(rows[at]))
        self.lines.append(self._copied(self.lines[at]))
        self._save(header, rows)
        self._reword(self.lines[-1], self._fresh(chance))
        self.lines[-1].raw = True

    def copy_over(self, chance: Random) -> None:
        """A row pasted over another one."""
        header, rows = self.read()
        at, to = chance.sample(range(len(rows)), 2)
        rows[to] = list(rows[at])
        self.lines[to] = self._copied(self.lines[at])
        self._save(header, rows)

    def fill_down(self, chance: Random) -> None:
        """Our cells of a row, one column or all, dragged down over the next ones."""
        header, rows = self.read()
        at = chance.randrange(len(rows) - 1)
        ours = self._ours(header)
        places = [chance.choice(ours)] if chance.random() < 0.6 else ours
        for to in range(at + 1, min(at + 3, len(rows))):
            self._meddle(self.lines[to])
            for place in places:
                rows[to][place] = rows[at][place]
        self._save(header, rows)

    def clear(self, chance: Random) -> None:
        """One of our cells is emptied, or all of a row."""
        header, rows = self.read()
        at = chance.randrange(len(rows))
        ours = self._ours(header)
        self._meddle(self.lines[at])
        for place in [chance.choice(ours)] if chance.random() < 0.7 else ours:
            rows[at][place] = ""
        self._save(header, rows)

    def scribble(self, chance: Random) -> None:
        """A person's text in one of our cells, or the content of that cell in another row."""
        header, rows = self.read()
        at = chance.randrange(len(rows))
        place = chance.choice(self._ours(header))
        self._meddle(self.lines[at])
        rows[at][place] = chance.choice([*SCRIBBLES, chance.choice(rows)[place]])
        self._save(header, rows)

    def sort_ours_alone(self, chance: Random) -> None:
        """One of our columns sorted without the others."""
        header, rows = self.read()
        place = chance.choice(self._ours(header))
        cells = [row[place] for row in rows]
        chance.shuffle(cells)
        for line, row, cell in zip(self.lines, rows, cells, strict=True):
            self._meddle(line)
            row[place] = cell
        self._save(header, rows)

    def sort_prompts_alone(self, chance: Random) -> None:
        """The prompts sorted without the rest of their rows."""
        header, rows = self.read()
        order = list(range(len(rows)))
        chance.shuffle(order)
        place = header.index(PROMPT)
        moved = [self.lines[at].twin() for at in order]
        for row, line, was in zip(rows, self.lines, moved, strict=True):
            # The ids follow their prompts if all of them are still there. If some are missing, this
            # may count as an edit of every row.
            self._number += 1
            if was.words:
                self.wishes[was.words].add((self._number, line.take))
                self.granted[was.words] += self.failed[was.words] > 0
            row[place] = was.cells[PROMPT]
            line.cells[PROMPT] = was.cells[PROMPT]
            line.token, line.copied, line.earlier = was.token, was.copied, was.earlier
        for line in self.lines:
            self._meddle(line)
        self._save(header, rows)

    def raise_take(self, chance: Random) -> None:
        """One more in a take cell."""
        line = chance.choice(self._worded())
        self._retake(line, str(int(line.take) + 1) if line.take.isdecimal() else "2")

    def lower_take(self, chance: Random) -> None:
        """One less in a take cell."""
        line = chance.choice(self.lines)
        number = int(line.take) if line.take.isdecimal() else 1
        self._retake(line, str(number - 1) if number > 1 else "")

    def jump_take(self, chance: Random) -> None:
        """A take cell dragged far, or a word in it."""
        line = chance.choice(self.lines)
        number = int(line.take) if line.take.isdecimal() else 1
        take = chance.choice([str(number + 5), "many", "0"])
        self._retake(line, take)
        place = next(at for at, one in enumerate(self.lines) if one is line)
        if self.is_sent(self.written()[place].get("row_id", "")):
            line.jumped = take

    def add_a_child(self, chance: Random) -> None:
        """A new row that follows another one, at the end or above it."""
        line = self._new_line(self._fresh(chance))
        line.cells[PARENT] = self._name_of(chance, chance.choice(self._worded()))
        line.cells[INDEX] = chance.choice(INDEXES)
        self._insert(chance.choice((0, len(self.lines), len(self.lines))), line)

    def name_a_parent(self, chance: Random) -> None:
        """A row follows another row, itself, no row, or a row that does not exist."""
        line = chance.choice(self._worded())
        others = [one for one in self._worded() if one is not line]
        kind = chance.random()
        if kind < 0.1:
            self._change(line, PARENT, "a row that is not there")
        elif kind < 0.25:
            self._change(line, PARENT, "")
        else:
            self._change(line, PARENT, self._name_of(chance, chance.choice([*others, line])))

    def choose_a_picture(self, chance: Random) -> None:
        """Another index in a row that follows another one."""
        line = chance.choice([line for line in self._worded() if line.parent])
        self._change(line, INDEX, chance.choice(INDEXES))

    def rename(self, chance: Random) -> None:
        """Another name for a row; sometimes that of another row."""
        line = chance.choice(self.lines)
        other = chance.choice(self.lines).cells.get(NAME, "")
        self._number += 1
        self._put(line, NAME, other if chance.random() < 0.3 else f"n{self._number}")

    def _name_of(self, chance: Random, line: Line) -> str:
        """How another row names this one: by its name, mostly, or by its id."""
        mark = next(
            cells.get("row_id", "")
            for one, cells in zip(self.lines, self.written(), strict=True)
            if one is line
        )
        name = line.cells.get(NAME, "")
        return chance.choice([name, name, name.upper(), mark or name])

    def skip(self, chance: Random) -> None:
        """A row is marked to be left out, or no longer."""
        line = chance.choice(self.lines)
        self._put(line, SKIP, "" if line.cells.get(SKIP) else "yes")

    def approve(self, chance: Random) -> None:
        """A row is approved."""
        self._put(chance.choice(self.lines), APPROVED, "TRUE")

    def approve_all(self, chance: Random) -> None:
        """Every row is approved."""
        for line in self.lines:
            self._put(line, APPROVED, "TRUE")

    def unapprove(self, chance: Random) -> None:
        """An approval is taken back."""
        self._put(chance.choice(self.lines), APPROVED, "")

    def save_an_old_version(self, chance: Random) -> None:
        """Save an earlier version over the file."""
        # The most recent versions are almost equal to the current file.
        kept = self.saves[: max(1, len(self.saves) - 1)]
        saved = chance.choice(kept)
        self.desk.put_back(saved.content)
        self.titles = list(saved.titles)
        self.lines = [line.twin() for line in saved.lines]
        for line in self.lines:
            self._meddle(line)

    def remove_a_column(self, chance: Random) -> None:
        """Delete a required column of people's."""
        matter = [title for title in (PROMPT, TAKE, APPROVED) if title in self.titles]
        title = chance.choice(matter)
        header, rows = self.read()
        self.titles.remove(title)
        self._without(header, rows, [header.index(title)])

    def put_the_columns_back(self, chance: Random) -> None:
        """Restore the deleted columns of people's."""
        header, rows = self.read()
        for title in self.all_titles:
            if title not in self.titles:
                at = chance.randrange(len(header) + 1)
                header.insert(at, title)
                for row, line in zip(rows, self.lines, strict=True):
                    row.insert(at, line.cells.get(title, ""))
        self.titles = [title for title in header if title in self.all_titles]
        self._save(header, rows)

    def remove_ours(self, chance: Random) -> None:
        """One of our columns is deleted, or all of them."""
        header, rows = self.read()
        ours = self._ours(header)
        for line in self.lines:
            self._meddle(line)
        self._without(header, rows, [chance.choice(ours)] if chance.random() < 0.5 else ours)

    def delete_all(self, chance: Random) -> None:
        """Delete every row."""
        header, rows = self.read()
        self.cleared = [
            (line, dict(zip(header, row, strict=True)))
            for line, row in zip(self.lines, rows, strict=True)
        ]
        self.lines = []
        self._save(header, [])

    def put_all_back(self, chance: Random) -> None:
        """Restore the rows after all were deleted."""
        header, rows = self.read()
        for line, _ in self.cleared:
            self._mark_twin(line)
        self.lines = [line for line, _ in self.cleared] + self.lines
        rows = [self._as_row(header, line, cells) for line, cells in self.cleared] + rows
        self.cleared = []
        self._save(header, rows)

    # -- parts of gestures -----------------------------------------------------------------------

    def _worded(self) -> list[Line]:
        return [line for line in self.lines if line.words]

    def _fresh(self, chance: Random) -> str:
        self._number += 1
        return chance.choice(TYPED).format(f"picture {self._number}")

    def _new_line(self, prompt: str) -> Line:
        self._number += 1
        ticked = {APPROVED: "TRUE"} if APPROVED in self.all_titles and self._number % 2 else {}
        named = {NAME: f"n{self._number}"} if NAME in self.all_titles else {}
        cells = {PROMPT: prompt, REMARK: f"remark {self._number}", **ticked, **named}
        return Line(self._number, cells)

    def _insert(self, at: int, line: Line) -> None:
        header, rows = self.read()
        rows.insert(at, self._as_row(header, line, {}))
        self.lines.insert(at, line)
        self._save(header, rows)

    def _as_row(self, header: list[str], line: Line, cells: dict[str, str]) -> list[str]:
        source = cells | {title: line.cells.get(title, "") for title in self.titles}
        return [source.get(title, "") for title in header]

    def _copied(self, line: Line) -> Line:
        new = line.twin()
        new.copied = new.odd = line.odd = True
        self.copied_words.add(line.words)
        if line.raw:  # without our cells, a copy is a new row with the same prompt
            self._own(new)
        return new

    def _meddle(self, line: Line) -> None:
        """Note an edit of our cells: a copy of the line may now look like a newly typed row."""
        line.odd = line.raw = True
        self.odd_words.add(line.words)
        if any(one.token == line.token for one in self.lines if one is not line):
            line.copied = True
            self._own(line)

    def _mark_twin(self, line: Line) -> None:
        """Mark a restored line as a copy if an old version has restored it already."""
        for one in self.lines:
            if one.token == line.token:
                line.copied = line.odd = one.odd = True
                if one.raw or line.raw:
                    self._own(line)

    def _reword(self, line: Line, prompt: str) -> None:
        if line.cells[PROMPT] != prompt:
            line.earlier = [*line.earlier[-3:], line.cells[PROMPT]]
        self._change(line, PROMPT, prompt)

    def _change(self, line: Line, title: str, text: str) -> None:
        """Write into a cell that is sent."""
        if line.cells.get(title, "") != text:
            # Without its ids and with other cells the row cannot be recognised.
            self._own(line, also=line.odd and line.raw)
            line.reworded = True
            line.jumped = ""
        self._put(line, title, text)

    def _retake(self, line: Line, take: str) -> None:
        self.retakes += 1
        line.jumped = ""
        self._own(line)
        self._put(line, TAKE, take)

    def _own(self, line: Line, also: bool = False) -> None:
        """A changed copy is its own request from now on; `also`: other lines, too."""
        if line.copied or also:
            self._number += 1
            line.token, line.copied, line.jumped = self._number, False, ""

    def _put(self, line: Line, title: str, text: str) -> None:
        line.cells[title] = text
        if title in self.titles:
            header, rows = self.read()
            at = next(at for at, one in enumerate(self.lines) if one is line)
            rows[at][header.index(title)] = text
            self._save(header, rows)

    def _ours(self, header: list[str]) -> list[int]:
        return [at for at, title in enumerate(header) if title in OURS]

    def _without(self, header: list[str], rows: list[list[str]], places: list[int]) -> None:
        kept = [at for at in range(len(header)) if at not in places]
        self._save([header[at] for at in kept], [[row[at] for at in kept] for row in rows])


def _has_rows(team: Team, least: int = 1) -> bool:
    return PROMPT in team.titles and len(team.lines) >= least


def _has_words(team: Team) -> bool:
    return PROMPT in team.titles and any(line.words for line in team.lines)


def _has_names(team: Team) -> bool:
    return NAME in team.titles and _has_words(team)


def _has_ours(team: Team, least: int = 1) -> bool:
    header, rows = team.read()
    return team.is_served and len(rows) >= least and any(title in OURS for title in header)


#: Every gesture, and when it is possible. No sheet grows without end.
GESTURES: dict[str, tuple[Callable[[Team, Random], None], Callable[[Team], bool]]] = {
    "add": (Team.add, lambda t: PROMPT in t.titles and len(t.lines) < 7),
    "add the same": (Team.add_the_same, lambda t: _has_words(t) and len(t.lines) < 7),
    "insert above": (Team.insert_above, lambda t: _has_rows(t) and len(t.lines) < 7),
    "edit": (Team.edit, _has_rows),
    "edit back": (
        Team.edit_back,
        lambda t: PROMPT in t.titles and any(line.earlier for line in t.lines),
    ),
    "empty": (Team.empty, _has_words),
    "delete": (Team.delete, _has_rows),
    "undo the delete": (Team.undo_the_delete, lambda t: bool(t.trash) and len(t.lines) < 8),
    "sort": (Team.sort, lambda t: _has_rows(t, 2)),
    "move": (Team.move, lambda t: _has_rows(t, 2)),
    "copy whole": (Team.copy_whole, lambda t: _has_rows(t) and len(t.lines) < 7),
    "copy and change": (Team.copy_and_change, lambda t: _has_rows(t) and len(t.lines) < 7),
    "copy over": (Team.copy_over, lambda t: _has_rows(t, 2)),
    "fill down": (Team.fill_down, lambda t: _has_ours(t, 2)),
    "clear": (Team.clear, _has_ours),
    "scribble": (Team.scribble, _has_ours),
    "sort ours alone": (Team.sort_ours_alone, lambda t: _has_ours(t, 2)),
    "sort prompts alone": (Team.sort_prompts_alone, lambda t: _has_rows(t, 2)),
    "raise take": (Team.raise_take, lambda t: TAKE in t.titles and _has_words(t)),
    "lower take": (Team.lower_take, lambda t: TAKE in t.titles and _has_rows(t)),
    "jump take": (Team.jump_take, lambda t: TAKE in t.titles and _has_rows(t)),
    "add a child": (Team.add_a_child, lambda t: _has_names(t) and len(t.lines) < 8),
    "name a parent": (Team.name_a_parent, _has_names),
    "choose a picture": (
        Team.choose_a_picture,
        lambda t: _has_names(t) and any(line.words and line.parent for line in t.lines),
    ),
    "rename": (Team.rename, _has_names),
    "skip": (Team.skip, lambda t: SKIP in t.titles and _has_rows(t)),
    "approve": (Team.approve, lambda t: APPROVED in t.titles and _has_rows(t)),
    "approve all": (Team.approve_all, lambda t: APPROVED in t.titles and _has_rows(t)),
    "unapprove": (Team.unapprove, lambda t: APPROVED in t.titles and _has_rows(t)),
    "save an old version": (Team.save_an_old_version, lambda t: len(t.saves) > 1),
    "remove a column": (Team.remove_a_column, lambda t: PROMPT in t.titles),
    "put the columns back": (
        Team.put_the_columns_back,
        lambda t: set(t.titles) != set(t.all_titles),
    ),
    "remove ours": (Team.remove_ours, _has_ours),
    "delete all": (Team.delete_all, lambda t: _has_rows(t) and not t.cleared),
    "put all back": (
        Team.put_all_back,
        lambda t: bool(t.cleared) and len(t.lines) + len(t.cleared) < 10,
    ),
}
EVERYDAY = (
    *("add", "add", "add", "edit", "edit", "raise take", "sort", "copy whole", "add the same"),
    *("save an old version", "sort ours alone", "sort prompts alone"),
    *("add a child", "add a child", "add a child", "name a parent"),
)
