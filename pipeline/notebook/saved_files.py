"""The saved files of plain jobs, in columns."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.notebook.columns import ESCAPE, empty_lists, put
from pipeline.reports.extras import needed
from pipeline.store import WITHIN

if TYPE_CHECKING:
    import pyarrow

_SEP: Final = re.escape(os.sep)


def files_of(
    saved: Any, urls: Any, plain: Any, media: Path | None, *, must_be_there: bool
) -> tuple[dict[str, Any], Any]:
    """The columns of the saved files, and which jobs are still plain: all or none are saved."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    empty = pa.scalar([], pa.list_(pa.string()))
    has_some = pc.not_equal(saved, "")
    if must_be_there:
        lacks = pc.and_not(pc.greater(pc.list_value_length(urls), 0), has_some)
        plain = pc.and_not(plain, lacks)
    if not pc.any(has_some).as_py():
        none = empty_lists(len(saved))
        return {"files": none, "saved": none, "links": none}, plain
    names = pc.if_else(has_some, urls, empty)
    parts = pc.if_else(has_some, pc.split_pattern(saved, WITHIN), empty)
    url, path, link, wrong = (_every_fourth(parts.flatten(), begin) for begin in range(4))
    place, is_usual = _places(path, media)
    for text in (url, path, link):
        is_usual = pc.and_not(is_usual, pc.match_substring(text, ESCAPE))
    is_usual = pc.and_(is_usual, pc.equal(wrong, ""))
    # They were saved in another order than the results have.
    jobs = pc.list_parent_indices(names)
    theirs = _keys(_every_fourth(pc.list_parent_indices(parts), 0), url)
    at = pc.index_in(_keys(jobs, names.flatten()), value_set=theirs)
    bad = jobs.filter(pc.invert(pc.fill_null(is_usual.take(at), False)))
    plain = pc.and_not(plain, pc.is_in(pa.arange(0, len(saved)), value_set=bad))
    count = pc.multiply(pc.list_value_length(names), 4)
    plain = pc.and_(plain, pc.equal(count, pc.list_value_length(parts)))
    link = pc.if_else(pc.match_substring_regex(link, "^https?://"), link, "")
    of_jobs = {
        name: pa.ListArray.from_arrays(names.offsets, pc.fill_null(texts.take(at), ""))
        for name, texts in (("files", place), ("links", link))
    }
    return {"saved": names, **of_jobs}, plain


def _every_fourth(values: Any, begin: int) -> Any:
    return values.take(needed("pyarrow").arange(begin, len(values), 4))


def _keys(jobs: Any, urls: Any) -> Any:
    return needed("pyarrow.compute").binary_join_element_wise(jobs.cast("string"), urls, " ")


def _places(path: Any, media: Path | None) -> tuple[Any, Any]:
    """The places of saved files, and whether their paths are spelled as `Path` spells them."""
    pc = needed("pyarrow.compute")
    is_elsewhere = pc.match_substring(path, "://")
    if media is None:
        return path, is_elsewhere
    is_unusual = pc.match_substring_regex(path, r"^$|^[./]|//|/\.|/$|\\")
    here = pc.binary_join_element_wise(str(media), pc.replace_substring(path, "/", os.sep), os.sep)
    return pc.if_else(is_elsewhere, path, here), pc.or_(is_elsewhere, pc.invert(is_unusual))


def with_files(made: pyarrow.Table) -> pyarrow.Table:
    """The table in which a job is only plain if all its saved files are there."""
    pa, pc = needed("pyarrow"), needed("pyarrow.compute")
    jobs, files = pc.list_parent_indices(made["files"]), pc.list_flatten(made["files"])
    jobs, files = (one.filter(pc.invert(pc.match_substring(files, "://"))) for one in (jobs, files))
    # To list a folder takes a tenth of the time of a look at each of its files.
    folders = pc.unique(pc.replace_substring_regex(files, f"{_SEP}[^{_SEP}]*$", ""))
    there = [path for folder in folders.to_pylist() for path in _plain_files(folder)]
    lost = pc.invert(pc.is_in(files.cast(pa.binary()), value_set=pa.array(there, pa.binary())))
    is_bad = pc.is_in(pa.arange(0, len(made)), value_set=jobs.filter(lost))
    return put(made, "is_plain", pc.and_not(made["is_plain"], is_bad))


def _plain_files(folder: str) -> list[bytes]:
    """The paths of the regular files in a folder; none if it cannot be read."""
    try:
        with os.scandir(os.fsencode(folder)) as found:
            return [one.path for one in found if one.is_file(follow_symlinks=False)]
    except OSError:
        return []
