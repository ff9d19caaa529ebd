"""A large JSON text is read in slices: the same values, and the same is refused, as if it were read at once."""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.wire import json_slices, strict_json
from llm_proxy.wire.json_slices import Cut, slices
from llm_proxy.wire.strict_json import MAX_VALUES, JsonProblem, parse_object
from tests.support.fuzz import fuzz

_NAMES = st.sampled_from(["a", "b", "é", 'c"', "d,", "e{", "f]", "\\", ""])
_SCALARS = st.sampled_from(
    [0, -1.5, True, None, "", "x", "a,b", '[{"', "\\", "é😀", "long " * 20, 12345678901234567890, "\n"]
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=40,
)
_SOUND = st.builds(
    lambda value, ascii_only, indent: json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode(),
    st.dictionaries(_NAMES, _VALUES, min_size=1),
    st.booleans(),
    st.sampled_from([None, 1]),
)
#: What breaks a text, or does not, wherever it is put.
_BITS = st.sampled_from(
    [b"", b",", b"[", b"]", b"{", b"}", b'"', b":", b" " * 50, b"\n", b"1", b"NaN", b"1e999", b"\\", b'"a":1,', b"\xff", b"\\ud800", b"tru"]
)  # fmt: skip


def _outcome(data: bytes) -> Any:
    try:
        return strict_json._object(data, strict_json._DECODER)
    except JsonProblem:
        return "refused"


@fuzz
@given(
    _SOUND, _BITS, _BITS, st.integers(0, 10_000), st.integers(0, 10_000), st.sampled_from([16, 33, 64, 200])
)
def test_the_same_as_at_once(
    sound: bytes, one: bytes, other: bytes, here: int, there: int, size: int
) -> None:
    """Wherever it is cut, and whatever is put where: the same values in the same order, or refused."""
    here, there = here % (len(sound) + 1), there % (len(sound) + 1)
    data = sound[:here] + one + sound[here:]
    data = data[:there] + other + data[there:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict_json, "PIECE", 1 << 30)
        whole = _outcome(data)
        patch.setattr(strict_json, "PIECE", 0)
        patch.setattr(json_slices, "PIECE", size)
        patch.setattr(strict_json, "_SOON", 4 * size)
        sliced = _outcome(data)

    assert sliced == whole
    assert json.dumps(sliced) == json.dumps(whole)


@fuzz
@given(_SOUND, st.sampled_from([16, 64]))
def test_no_slice_is_long(data: bytes, size: int) -> None:
    """A slice is no longer than two pieces and the texts in it, and together they are the text without some commas."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_slices, "PIECE", size)
        found = list(slices(data, MAX_VALUES))

    longest = max(map(len, json.dumps(json.loads(data)).encode().split(b'"')))
    assert all(len(one.data) <= 3 * size + 2 * longest + 100 for one in found)
    assert sum(len(one.data) for one in found) <= len(data)


_LONG = b'"' + b"x" * 100 + b'",'
#: What is wrong behind 400 KB that are sound, and what is said of it.
FAULTS: dict[bytes, tuple[bytes, str]] = {
    b"1,]}": (b",]", 'no "," may stand before "]"'),
    b"NaN]}": (b"NaN", "NaN and Infinity are not JSON"),
    b"1e999]}": (b"1e999", "the number is too large"),
    b'{"k":1,"k":2}]}': (b'"k":2', 'duplicate key "k"'),
    b'"\\ud800"]}': (b"\\ud800", "half of a surrogate pair is not a character"),
    b'"\xff"]}': (b"\xff", "not valid UTF-8"),
    b"tru]}": (b"tru", "a value is expected"),
    b"1 2]}": (b"2]", '"," or a closing bracket is expected'),
}


@pytest.mark.parametrize("end", FAULTS)
def test_where_a_fault_is(end: bytes) -> None:
    """Line and column are told, as of a short text, and nothing that was read is kept by a ring."""
    begin = b'{"\xc3\xa9":\n["\xc3\xa9",' + _LONG * 4000
    at, message = FAULTS[end]
    line = begin[begin.index(b"\n") + 1 :] + end
    gc.collect()
    with pytest.raises(JsonProblem) as caught:
        parse_object(begin + end)
    problem = caught.value
    place = (problem.message, problem.line, problem.column)
    del caught, problem
    rings = gc.collect()

    assert place == (message, 2, line.rindex(at) - 1 + 1)
    assert rings == 0


@pytest.mark.parametrize("count", [1000, 30_000])
def test_names_that_stand_twice_far_apart(count: int) -> None:
    """In two slices of one object, too."""
    names = b",".join(
        b'"%x":"%b"' % (n, b"x" * (400 if count == 1000 else 1)) for n in range(min(count, 15_000))
    )
    with pytest.raises(JsonProblem, match='duplicate key "1"'):
        parse_object(b'{"a":{' + names + b',"1":0}}')


def test_a_number_that_is_no_number() -> None:
    """White space may be as long as it likes, a number may not: nobody writes tens of thousands of digits."""
    assert parse_object(b'{"a":' + b" " * 1_000_000 + b"15 }") == {"a": 15}
    with pytest.raises(JsonProblem, match="a number is too long"):
        parse_object(b'{"a":0.' + b"5" * 1_000_000 + b"}")


def test_what_is_open_is_what_was_opened() -> None:
    """Brackets that do not match are refused as soon as they are seen."""
    with pytest.raises(Cut):
        list(slices(b'{"a":[' + b"0," * 100_000 + b"0}]", MAX_VALUES))
