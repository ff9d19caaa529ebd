"""Long lists as JSON, in pieces."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.wire import long_json
from llm_proxy.wire.long_json import PIECE, dumps_long
from llm_proxy.wire.sse import dumps


@pytest.mark.parametrize("count", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 5000])
def test_the_bytes_are_the_same(count: int) -> None:
    """Whatever the list's length, as if it were written at once."""
    entries = [{"id": f"ź{number}", "n": [number, None, 0.5]} for number in range(count)]
    for value in ({}, {"data": entries}, {"a": 1, "data": entries, "more": entries, "z": {"x": [1]}}):
        assert dumps_long(value) == dumps(value)


def test_no_piece_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing with more entries than a piece has is encoded at once."""
    sizes: list[int] = []

    def counted(value: Any) -> bytes:
        sizes.append(len(value) if isinstance(value, list) else 1)
        return dumps(value)

    monkeypatch.setattr(long_json, "dumps", counted)
    dumps_long({"data": list(range(5000))})

    assert (max(sizes), sizes.count(PIECE)) == (PIECE, 50)


def test_what_is_not_json() -> None:
    """It is refused as ever."""
    with pytest.raises(ValueError, match="JSON"):
        dumps_long({"data": [float("nan")] * 200})
