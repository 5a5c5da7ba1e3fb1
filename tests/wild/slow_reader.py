"""A second CSV reader, character by character, that shares no code with the product."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Record:
    """One record of the slow reader: the fields as written, their values, the line end."""

    raw: tuple[str, ...]
    values: tuple[str, ...]
    end: str


def slowly(text: str, delimiter: str) -> list[Record]:
    """Read character by character, following the documentation of csv."""
    records: list[Record] = []
    place = 0
    while place < len(text):
        raw: list[str] = []
        values: list[str] = []
        more = text[place] not in "\r\n"
        while more:
            start, value, quoted = place, "", text[place : place + 1] == '"'
            place += quoted
            while place < len(text) and (quoted or text[place] not in delimiter + "\r\n"):
                letter = text[place]
                if quoted and letter == '"' and text[place : place + 2] != '""':
                    quoted = False
                else:
                    value += letter
                    place += quoted and letter == '"'
                place += 1
            raw.append(text[start:place])
            values.append(value)
            more = text[place : place + 1] == delimiter
            place += more
        end = text[place : place + (2 if text[place : place + 2] == "\r\n" else 1)]
        place += len(end)
        records.append(Record(tuple(raw), tuple(values), end))
    return records
