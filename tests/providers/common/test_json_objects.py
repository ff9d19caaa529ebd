"""The reader of foreign JSON: whatever it accepts can be written again, whichever of its two ways it takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.wire.sse import dumps
from providers.common.json_objects import Malformed, loads
from tests.support.fuzz import fuzz

#: Too long for the short way.
PADDING = b" " * 400

SOUND: list[tuple[bytes, Any]] = [
    (b'{"a": [1, -2.5, true, null, "\\u00e9\\ud83d\\ude00"]}', {"a": [1, -2.5, True, None, "é😀"]}),
    (b"[1e9, 1E9, 1e+9, 1e-999, 0e0]", [1e9, 1e9, 1e9, 0.0, 0.0]),
    (b' "value1e9 \\\\ud800" ', "value1e9 \\ud800"),
    (b"12345678901234567890", 12345678901234567890),
]
UNSOUND = [
    b"",
    b"{",
    b"{}x",
    b"[1,]",
    b"NaN",
    b"[Infinity]",
    b"-Infinity",
    b"1e999",
    b"-1E999",
    b"1e0999",
    b"1" + b"0" * 290 + b"e99",
    b"1" + b"0" * 300 + b"E9",
    b"1" + b"0" * 300 + b"e+9",
    b"9" * 310 + b".0",
    b"1" * 5000,
    b'"\\ud800"',
    b'"\\uDFFF"',
    b'{"\\ud83d": 1}',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b'"\n"',
    b"[" * 100_000,
    b"\xef\xbb\xbf{}",
]


@pytest.mark.parametrize(("data", "value"), SOUND)
@pytest.mark.parametrize("padding", [b"", PADDING])
def test_sound(data: bytes, value: Any, padding: bytes) -> None:
    """Read as any other reader would."""
    assert loads(data + padding) == value
    assert loads((data + padding).decode()) == value


@pytest.mark.parametrize("data", UNSOUND)
@pytest.mark.parametrize("padding", [b"", PADDING])
def test_unsound(data: bytes, padding: bytes) -> None:
    """Refused, short or long: what is no JSON, no text, or no number that could be written again."""
    with pytest.raises(Malformed):
        loads(data + padding)


PIECES = [
    "[",
    "]",
    ",",
    "1",
    "0",
    "e",
    "E",
    "+",
    ".",
    "-",
    '"',
    "9" * 300,
    "\\ud800",
    "NaN",
    "{",
    "}",
    ":",
    " ",
]


@fuzz
@given(
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join).map(str.encode)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode())
)
def test_what_was_read_can_be_written(data: bytes) -> None:
    """And means the same then; both ways of reading agree about every text."""
    try:
        value = loads(data)
    except Malformed:
        with pytest.raises(Malformed):
            loads(data + PADDING)
    else:
        assert loads(data + PADDING) == value
        assert loads(dumps(value)) == value
        assert json.loads(dumps(value)) == value
