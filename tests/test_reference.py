"""The pages below docs/reference, and docs/performance.md, are what the code and the last measurement say, and their tables leave nothing out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_proxy import errors
from llm_proxy.errors import GatewayError
from llm_proxy.openapi.error_codes import CODES
from llm_proxy.openapi.errors import HEADERS
from scripts.reference.__main__ import FOLDER, PAGES

pytestmark = pytest.mark.one_python("pages and their samples are the same for every Python")

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_current(name: str) -> None:
    """`make reference` would change nothing."""
    assert (FOLDER / name).read_text("utf-8") == PAGES[name](), "run make reference"


def test_there_are_no_others() -> None:
    """Nothing lies there that is not generated."""
    assert {path.name for path in FOLDER.iterdir()} == {name for name in PAGES if "/" not in name}


def _calls(*words: str) -> Iterator[ast.Call]:
    """The calls in all modules that have one of ``words``."""
    for package in ("llm_proxy", "handlers", "providers"):
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text("utf-8")
            if path.name != "error_codes.py" and any(word in text for word in words):
                yield from (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))


def _codes_of_classes() -> set[str]:
    found, left = set(), [GatewayError]
    while left:
        kind = left.pop()
        found.add(kind.code)
        left += kind.__subclasses__()
    return found


def test_every_code_of_an_error_is_told() -> None:
    """The table of codes has those of all classes, and every one that a place in the code gives to an error."""
    given = {
        keyword.value.value
        for node in _calls('code="')
        for keyword in node.keywords
        if keyword.arg == "code"
        and isinstance(keyword.value, ast.Constant)
        and isinstance(keyword.value.value, str)
    }
    timeouts = {f"timeout_{which}" for which in errors.UpstreamTimeout._PHASES}
    told = [error.code for error in CODES]

    assert len(told) == len(set(told))
    # The loss of an attempt is hidden by the next one, or told as the error that it was.
    assert set(told) == (_codes_of_classes() | given | timeouts) - {"lost"}


def test_every_header_of_an_answer_is_told() -> None:
    """Each `X-...` header that a handler sets is in the table, whatever the case of its letters."""
    names = {name.lower() for name in HEADERS} | {"x-accel-buffering", "x-content-type-options"}
    set_ones = {
        node.args[0].value.lower()
        for node in _calls("set_header(", ".put(")
        if isinstance(node.func, ast.Attribute)
        and node.func.attr in ("set_header", "put")
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }

    assert {name for name in set_ones if name.startswith("x-")} <= names
