"""A workbook file: a zip of parts, one of which is the worksheet that we read and write.

Only that part is written again. All others are copied unchanged, so that charts, pictures, macros,
and anything that a later Excel adds, are kept.
"""

from __future__ import annotations

import io
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from pipeline.sheets.excel.a1 import box_of, name_of
from pipeline.sheets.excel.worksheet import Unreadable
from pipeline.sheets.excel.xml_text import unescaped, whole_number

#: Bytes of all parts of a workbook at most; a small file that claims more is no sheet of prompts.
MOST_BYTES = 512 * 1024 * 1024
#: Bytes of a part that are unpacked at once, and how the parts of workbooks are packed. Of other
#: ways, Python unpacks all at once.
_PIECE, _PACKED = 1024 * 1024, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: Most elements of one part but a worksheet: each takes some hundred bytes of memory.
_MOST_ELEMENTS = 8_000_000
#: Excel shows no longer text in a cell, and has no longer number format.
MOST_LETTERS, _LONGEST_FORMAT = 32_767, 255
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: Names inside the container of an encrypted workbook (MS-OFFCRYPTO, 2.2 and 2.3.4.4).
_BY_LABEL = "DRMEncrypted".encode("utf-16-le")
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_TAG = re.compile(rb"<[^<>]*+>")


@dataclass(frozen=True)
class WorkbookTab:
    """A worksheet by the name on its tab."""

    name: str
    part: str
    is_hidden: bool


@dataclass(frozen=True)
class Workbook:
    """The parts of one workbook, read when they are needed. Any reading may raise Unreadable."""

    archive: zipfile.ZipFile
    #: Its parts by their names as they are compared: Excel knows no capitals in them.
    parts: Mapping[str, zipfile.ZipInfo]

    @classmethod
    def of(cls, content: bytes) -> Workbook:
        """The workbook in these bytes. Raises Unreadable."""
        if content.startswith(_OLE):
            if _BY_LABEL in content:
                raise Unreadable(
                    "a sensitivity label or rights management encrypts it: give it a label without"
                    " encryption, or save a copy without one"
                )
            if _ENCRYPTED in content:
                raise Unreadable("it is protected by a password: take that away")
            raise Unreadable("it is in the old format of Excel: save it as .xlsx")
        try:
            archive = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError, struct.error):
            raise Unreadable(
                "it is no workbook, or is damaged: open it and save it as an Excel workbook"
            ) from None
        parts = {_key(part.filename): part for part in archive.infolist()}
        # `part` never reads a part beyond the size that is stated here.
        if sum(part.file_size for part in archive.infolist()) > MOST_BYTES:
            limit = MOST_BYTES // 1024 // 1024
            raise Unreadable(f"unpacked it is larger than {limit} MB: put the prompts in their own")
        if len(parts) < len(archive.infolist()):
            raise Unreadable("it has a part twice: open it and save it again")
        return cls(archive, parts)

    @cached_property
    def tabs(self) -> tuple[WorkbookTab, ...]:
        """Its worksheets in the order of the tabs. Chart tabs are left out."""
        targets = self._targets(self._main, "/worksheet")
        found = []
        for sheet in _all(self._xml(self._main), "sheet"):
            ids = [value for name, value in sheet.items() if name.endswith("}id")]
            if ids and ids[0] in targets:
                hidden = sheet.get("state", "visible") != "visible"
                found.append(WorkbookTab(unescaped(sheet.get("name", "")), targets[ids[0]], hidden))
        return tuple(found)

    @cached_property
    def from_1904(self) -> bool:
        """True if its days are counted from 1904."""
        settings = next(_all(self._xml(self._main), "workbookPr"), None)
        return settings is not None and settings.get("date1904", "") in ("1", "true", "on")

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The texts that cells refer to by number."""
        texts = tuple(
            _text(one)
            for part in self._targets(self._main, "/sharedStrings").values()
            for one in _all(self._xml(part), "si")
        )
        if any(len(text) > MOST_LETTERS for text in texts):
            raise Unreadable(TOO_LONG)
        return texts

    @cached_property
    def formats(self) -> tuple[str, ...]:
        """The number format of each style."""
        from openpyxl.styles.numbers import BUILTIN_FORMATS

        from pipeline.sheets.excel.number_formats import LOCAL_DATES

        formats = {**BUILTIN_FORMATS, **LOCAL_DATES}
        for part in self._targets(self._main, "/styles").values():
            styles = self._xml(part)
            for one in _all(styles, "numFmt"):
                code = one.get("formatCode", "General")
                usable = len(code) <= _LONGEST_FORMAT
                formats[whole_number(one.get("numFmtId"))] = code if usable else "General"
            table = next(_all(styles, "cellXfs"), None)
            if table is not None:
                numbers = (whole_number(style.get("numFmtId")) for style in _all(table, "xf"))
                return tuple(formats.get(number, "General") for number in numbers)
        return ()

    def totals(self, part: str) -> list[str]:
        """The ranges of a worksheet's tables that end with a row of totals."""
        if _rels_of(part) not in self:
            return []
        tables = (self._xml(name) for name in self._targets(part, "/table").values())
        return [
            table.get("ref", "") for table in tables if whole_number(table.get("totalsRowCount"))
        ]

    def __contains__(self, name: str) -> bool:
        return _key(name) in self.parts

    def part(self, name: str) -> bytes:
        """The bytes of one part."""
        try:
            part = self.parts[_key(name)]
            if part.compress_type not in _PACKED:
                raise NotImplementedError
            # In pieces: read at once, it would be unpacked to more than the size that is stated.
            with self.archive.open(part) as file:
                return b"".join(iter(partial(file.read, _PIECE), b""))
        except KeyError:
            raise Unreadable(f"its part {name} is missing: open it and save it again") from None
        except _DAMAGED:
            raise Unreadable(f"its part {name} is damaged: open it and save it again") from None
        except RuntimeError:
            raise Unreadable("it is protected by a password: take that away") from None

    def longer_tables(self, part: str, last: int, bottom: int) -> dict[str, bytes]:
        """The tables of a worksheet that end at row `last`, so that they end at row `bottom`.

        A table with a row of totals keeps its end.
        """
        if _rels_of(part) not in self:
            return {}
        found = {}
        for name in self._targets(part, "/table").values():
            table = self._xml(name)
            ref, box = table.get("ref", ""), box_of(table.get("ref", ""))
            if box and box[2] == last and not whole_number(table.get("totalsRowCount")):
                longer = f"{name_of(*box[:2])}:{name_of(bottom, box[3])}"
                # Its filter has the same range.
                found[name] = self.part(name).replace(
                    f'ref="{ref}"'.encode(), f'ref="{longer}"'.encode()
                )
        return found

    def with_parts(self, fresh_parts: Mapping[str, bytes], *, recount: bool) -> bytes:
        """The file with new content in these parts.

        With `recount`, the calculation chain (the order in which formulas are computed) is left
        out: a program that finds a cell in it without a formula reports a damaged file, and one
        that finds no chain makes it.
        """
        changed: dict[str, bytes | None] = self._without_order() if recount else {}
        changed |= {_key(name): content for name, content in fresh_parts.items()}
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.comment = self.archive.comment
            for old in self.archive.infolist():
                at = _key(old.filename)
                fresh = changed[at] if at in changed else self.part(at)
                if fresh is not None:  # else it is left out
                    archive.writestr(_like(old), fresh)
        return out.getvalue()

    def _without_order(self) -> dict[str, bytes | None]:
        orders = list(self._targets(self._main, "/calcChain").values())
        if not orders:
            return {}
        rels, kinds = _rels_of(self._main), "[Content_Types].xml"
        without: dict[str, bytes | None] = dict.fromkeys(map(_key, orders))
        without[_key(rels)] = _without_tags(self.part(rels), b"relationship", b"/calcchain")
        without[_key(kinds)] = _without_tags(self.part(kinds), b"override", b"calcchain.xml")
        return without

    @cached_property
    def _main(self) -> str:
        if _rels_of("") in self:
            for part in self._targets("", "/officeDocument").values():
                if not part.endswith(".bin"):
                    return part
        raise Unreadable("it is in another format: open it and save it as an Excel workbook")

    def _targets(self, part: str, kind: str) -> dict[str, str]:
        """The parts of a kind that a part refers to, by the id that it uses."""
        return {
            one.get("Id", ""): posixpath.normpath(
                posixpath.join(
                    "/", posixpath.dirname(part), one.get("Target", "").replace("\\", "/")
                )
            ).lstrip("/")
            for one in _all(self._xml(_rels_of(part)), "Relationship")
            if one.get("Type", "").endswith(kind) and one.get("TargetMode") != "External"
        }

    def _xml(self, name: str) -> Element:
        content = self.part(name)
        if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise Unreadable(f"its part {name} is not as spreadsheet programs write it")
        try:
            return _Tree(name).of(content)
        except (expat.ExpatError, ValueError, LookupError):
            raise Unreadable(f"its part {name} is damaged: open it and save it again") from None


class _Tree:
    """Builds the elements of one part, which may declare no document type and so no entities."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._builder = TreeBuilder()
        self._count = 0

    def of(self, content: bytes) -> Element:
        """The root. Raises Unreadable, and what expat raises for damaged XML."""
        parser = expat.ParserCreate(namespace_separator="}")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._builder.end
        parser.CharacterDataHandler = self._builder.data
        parser.Parse(content, True)
        return self._builder.close()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > _MOST_ELEMENTS:
            raise Unreadable(f"its part {self._part} is too large: put the prompts in their own")
        self._builder.start(name, attributes)

    def _refuse(self, *_: object) -> None:
        raise Unreadable(f"its part {self._part} is not as spreadsheet programs write it")


#: What reading a damaged part may raise.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError)
TOO_LONG = (
    f"a text in it is longer than the {MOST_LETTERS} characters that Excel allows: shorten it"
)


def _key(name: str) -> str:
    """The name of a part for comparison: some programs use other capitals, or backslashes."""
    return name.replace("\\", "/").lstrip("/").casefold()


def _without_tags(content: bytes, kind: bytes, words: bytes) -> bytes:
    """The XML without the empty elements of that kind that contain these words."""

    def left(match: re.Match[bytes]) -> bytes:
        tag = match.group().lower()
        return b"" if kind in tag and words in tag and tag.endswith(b"/>") else match.group()

    return _TAG.sub(left, content)


def _rels_of(part: str) -> str:
    folder, name = posixpath.split(part)
    return posixpath.join(folder, "_rels", f"{name}.rels")


def _all(tree: Element, name: str) -> Iterator[Element]:
    """All elements of that name, in both namespaces."""
    return (one for one in tree.iter() if one.tag.rpartition("}")[2] == name)


def _text(shared: Element) -> str:
    """The characters of a text, without formats and phonetic guides."""
    parts = []
    for child in shared:
        kind = child.tag.rpartition("}")[2]
        if kind == "t":
            parts.append(child.text or "")
        elif kind == "r":
            parts += [run.text or "" for run in _all(child, "t")]
    return unescaped("".join(parts))


def _like(old: zipfile.ZipInfo) -> zipfile.ZipInfo:
    fresh = zipfile.ZipInfo(old.filename, old.date_time)
    fresh.compress_type = old.compress_type
    fresh.comment = old.comment
    fresh.create_system = old.create_system
    fresh.external_attr = old.external_attr
    fresh.internal_attr = old.internal_attr
    return fresh
