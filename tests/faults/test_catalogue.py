"""The table of faults names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_python("pages and their samples are the same for every Python")

TESTS = Path(__file__).resolve().parent.parent
TABLE = TESTS.parent / "docs" / "failures.md"
_REFERENCE = re.compile(r"`([a-z0-9_/]+\.py)::([a-z0-9_, ]+)`")


def functions(path: Path) -> set[str]:
    """The functions of a module."""
    found = ast.parse(path.read_text("utf-8")).body
    return {node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_each_row_names_its_proof() -> None:
    """No row is without a test, and every test that is named is there."""
    rows = [
        line
        for line in TABLE.read_text("utf-8").splitlines()
        if re.match(r"\| ?[UCLSB]?\d*[, UCLSB\d]* \|", line)
    ]
    assert len(rows) > 60
    for row in rows:
        named = _REFERENCE.findall(row)
        assert named, row
        for path, names in named:
            assert set(names.split(", ")) <= functions(TESTS / path), row


def test_each_test_of_a_row_is_named() -> None:
    """A test that carries the id of a row is in the table."""
    text = TABLE.read_text("utf-8")
    here = {name for path in TESTS.glob("faults/test_*.py") for name in functions(path)}
    rows = {name for name in here if re.match(r"test_[ucls]\d", name)}

    assert not {name for name in rows if not re.search(rf"\b{name}\b", text)}
