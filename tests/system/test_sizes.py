"""The limits on the size of classes and files: what is bigger has more than one idea."""

from __future__ import annotations

import ast
from pathlib import Path

CODE = Path(__file__).parents[2] / "pipeline"
ATTRIBUTES, CLASS_LINES, FILE_LINES = 12, 200, 450


def _attributes(of: ast.ClassDef) -> set[str]:
    """The names that the class assigns on `self`."""
    return {
        node.attr
        for node in ast.walk(of)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


def _classes(folder: Path) -> list[ast.ClassDef]:
    trees = [ast.parse(file.read_text("utf-8")) for file in folder.rglob("*.py")]
    return [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]


def test_no_class_of_a_pass_has_too_many_attributes_or_lines() -> None:
    classes = _classes(CODE / "sync")

    assert len(classes) > 50
    for one in classes:
        lines = (one.end_lineno or 0) - one.lineno + 1
        assert len(_attributes(one)) <= ATTRIBUTES, one.name
        assert lines <= CLASS_LINES, one.name


def test_no_file_has_too_many_lines() -> None:
    files = {file: file.read_text("utf-8").count("\n") for file in CODE.rglob("*.py")}

    assert len(files) > 200
    assert [str(file) for file, lines in files.items() if lines > FILE_LINES] == []
