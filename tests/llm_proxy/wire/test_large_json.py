"""JSON in slices is the same JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic_core import from_json

from llm_proxy.wire import large_json
from llm_proxy.wire.large_json import loads, written
from llm_proxy.wire.sse import dumps

VALUES: list[Any] = [
    {"data": [{"index": 0, "embedding": [0.5, -1e-7, 1]}, {"index": 1, "embedding": []}], "usage": None},
    {},
    [],
    [[], {}, [[]], {"a": {}}],
    {"a": {"b": {"c": {"d": [1, {"e": '\u00fc\n"\\'}]}}}},
    [1, "a", None, True, False, 1.5, [1, 2], {"x": []}],
    "text",
    5,
]


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_json, "SLICE", 0)


@pytest.mark.parametrize("value", VALUES, ids=str)
@pytest.mark.parametrize("indent", [None, 2])
def test_values_are_read_and_written(value: Any, indent: int | None) -> None:
    """Whatever stands on which level, and however it is spaced."""
    assert loads(f" {json.dumps(value, indent=indent)}\n".encode()) == value
    assert written(value) == dumps(value)


BAD = [
    "", " ", "{", "[", "[1", "[1,", "[1,]", "[,1]", '{"a"', '{"a":', '{"a":1', '{"a":1,}', "{a:1}", '{"a" 1}', "[1 2]", "[1]]",
    "[1] x", "[NaN]", "[Infinity]", '{"a":-Infinity}', "[01]", "[tru]", '["a]', "[[[[1,]]]]", "[" * 100_000, "{1:2}",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD, ids=lambda text: text[:20])
def test_what_is_no_json_is_refused(text: str) -> None:
    """As the fast parser does."""
    with pytest.raises(ValueError, match=r"."):
        from_json(text.encode(), allow_inf_nan=False)
    with pytest.raises(ValueError, match=r"."):
        loads(text.encode())


def test_what_is_no_text_is_refused() -> None:
    """Bytes that are not UTF-8."""
    with pytest.raises(ValueError, match=r"."):
        loads(b'["\xff"]')
