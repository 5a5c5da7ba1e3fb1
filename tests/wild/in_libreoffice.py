"""Remote control of LibreOffice; it needs a Python with `uno`.

    in_libreoffice.py PIPE open FILE OPTIONS | add WORDS… | sort COLUMN | save | close | quit

`OPTIONS` are those of LibreOffice's CSV filter. One file is open at a time, and stays so between
two calls; `save` keeps its format, as a person does who is asked.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import uno  # type: ignore[import-not-found]
from com.sun.star.beans import PropertyValue  # type: ignore[import-not-found]
from com.sun.star.table import TableSortField  # type: ignore[import-not-found]


def main(pipe: str, gesture: str, *words: str) -> None:
    """Do one action in the LibreOffice that listens to `pipe`."""
    desktop = _desktop(pipe)
    match gesture:
        case "open":
            file, options = words
            filters = {"FilterName": "Text - txt - csv (StarCalc)", "FilterOptions": options}
            url = Path(file).resolve().as_uri()
            desktop.loadComponentFromURL(url, "_blank", 0, _properties(Hidden=True, **filters))
        case "add":
            _add(_sheet(desktop), words)
        case "sort":
            _sort(_sheet(desktop), words[0])
        case "save":
            _book(desktop).store()
        case "close":
            _book(desktop).close(True)
        case "quit":
            desktop.terminate()


def _desktop(pipe: str) -> Any:
    here = uno.getComponentContext()
    resolver = _service(here, "com.sun.star.bridge.UnoUrlResolver")
    there = resolver.resolve(f"uno:pipe,name={pipe};urp;StarOffice.ComponentContext")
    return _service(there, "com.sun.star.frame.Desktop")


def _service(context: Any, name: str) -> Any:
    return context.ServiceManager.createInstanceWithContext(name, context)


def _book(desktop: Any) -> Any:
    return desktop.Components.createEnumeration().nextElement()


def _sheet(desktop: Any) -> Any:
    return _book(desktop).Sheets.getByIndex(0)


def _filled(sheet: Any) -> tuple[int, int]:
    cursor = sheet.createCursor()
    cursor.gotoEndOfUsedArea(False)
    return cursor.RangeAddress.EndColumn, cursor.RangeAddress.EndRow


def _column(sheet: Any, title: str) -> int:
    columns = range(_filled(sheet)[0] + 1)
    return next(at for at in columns if sheet.getCellByPosition(at, 0).String == title)


def _add(sheet: Any, prompts: tuple[str, ...]) -> None:
    """Add rows below the last one."""
    _, last = _filled(sheet)
    for row, prompt in enumerate(prompts, start=last + 1):
        sheet.getCellByPosition(_column(sheet, "prompt"), row).String = prompt


def _sort(sheet: Any, title: str) -> None:
    """Sort all rows but the header by one column, in descending order."""
    field = TableSortField()
    field.Field, field.IsAscending = _column(sheet, title), False
    fields = uno.Any("[]com.sun.star.table.TableSortField", (field,))
    rows = sheet.getCellRangeByPosition(0, 0, *_filled(sheet))
    rows.sort(_properties(SortFields=fields, ContainsHeader=True))


def _properties(**values: object) -> tuple[Any, ...]:
    properties = []
    for name, value in values.items():
        one = PropertyValue()
        one.Name, one.Value = name, value
        properties.append(one)
    return tuple(properties)


if __name__ == "__main__":
    main(*sys.argv[1:])
    os._exit(0)  # closing the bridge in the proper way sometimes crashes
