"""What looks cheap and is not: ``b"x" in data``."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import handlers
import llm_proxy
import providers

_ROOMS = tuple(Path(package.__file__ or "").parent for package in (handlers, llm_proxy, providers))


def _asked(path: Path) -> list[str]:
    return [
        f"{path}:{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Compare)
        and isinstance(node.ops[0], ast.In | ast.NotIn)
        and isinstance(node.left, ast.Constant)
        and isinstance(node.left.value, bytes)
        and not isinstance(node.comparators[0], ast.Tuple | ast.Set | ast.List)
    ]


@pytest.mark.one_python("it reads our sources")
def test_nothing_asks_for_bytes_in_bytes() -> None:
    """CPython takes what is before ``in`` for a number first, and makes and drops an error for bytes: ten times the work of
    looking. A single byte is looked for by its number, several by ``find``."""
    assert [line for room in _ROOMS for path in sorted(room.rglob("*.py")) for line in _asked(path)] == []
