"""Bring the files of messages up to date with the code: `make messages`.

New messages are added without a translation. Those that are no longer used are marked as obsolete
(`#~`), so that their translations can still be looked up.
"""

from __future__ import annotations

from pathlib import Path

import polib

from tests.language.collected import ROOT, used


def refresh(file: Path) -> tuple[int, int]:
    """Rewrite one file; returns how many messages are new, and how many are not used any more."""
    entries = polib.pofile(str(file), encoding="utf-8", wrapwidth=100)
    before = {(one.msgid, one.msgid_plural): one for one in entries}
    found: dict[tuple[str, str], polib.POEntry] = {}
    new = 0
    for each in used():
        key = (each.message[0], each.message[1] if len(each.message) > 1 else "")
        if key in found:
            continue
        if (entry := before.pop(key, None)) is None:
            new += 1
            empty = {0: "", 1: ""} if key[1] else {}
            entry = polib.POEntry(msgid=key[0], msgid_plural=key[1], msgstr_plural=empty)
        entry.obsolete = False
        entry.occurrences = [(each.file, "")]
        found[key] = entry
    old = [one for one in before.values() if not one.obsolete]
    for one in old:
        one.obsolete = True
    entries[:] = [*found.values(), *(one for one in before.values() if one.obsolete)]
    entries.save(newline="\n")
    return new, len(old)


if __name__ == "__main__":
    for po in sorted((ROOT / "configs" / "messages").glob("*.po")):
        new, old = refresh(po)
        print(f"{po.name}: {new} new, {old} no longer used")
