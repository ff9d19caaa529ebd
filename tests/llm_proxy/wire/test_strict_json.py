"""The strict JSON door: what it lets in equals what the standard library reads, and all else is one JsonProblem."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.wire import strict_json
from llm_proxy.wire.json_scan import MAX_DEPTH, scan
from llm_proxy.wire.strict_json import MAX_VALUES, JsonProblem, parse_object
from tests.support.fuzz import fuzz

SOUND = [
    b"{}",
    b' \r\n\t{"a" : [1, -2.5e3, true, false, null, "x"] } \n',
    '{"zażółć": "gęślą 😀"}'.encode(),
    b'{"a": "\\ud83d\\ude00", "b": "\\\\ud800", "c": "\\u0041\\n\\"[{"}',
    b'{"a": "' + b"[" * 5000 + b'"}',
    b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}",
    b'{"a":[' + b",".join([b'{"b":[]}'] * 500) + b"]}",
    b'{"a":"' + b",[" * MAX_VALUES + b'"}',
]

REFUSED = [
    (b"", "is empty", 1, 1),
    (b" \n ", "is empty", 1, 1),
    (b"[]", "an object, not an array", 1, 1),
    (b'\n "x"', "an object, not a string", 2, 2),
    (b"17", "an object, not a number", 1, 1),
    (b"1.5", "an object, not a number", 1, 1),
    (b"true", "an object, not true or false", 1, 1),
    (b"null", "an object, not null", 1, 1),
    (b"\xef\xbb\xbf{}", "byte order mark", 1, 1),
    ("{}".encode("utf-16"), "not valid UTF-8", 1, 1),
    (b'{\n"a": "\xc3\xa9\xff"}', "not valid UTF-8", 2, 8),
    (b'{"a": "\xed\xa0\x80"}', "not valid UTF-8", 1, 8),
    (b'{"a": "\\ud800"}', "surrogate", 1, 8),
    (b'{"a": "\\ude00\\ud83d"}', "surrogate", 1, 8),
    (b'{"\\ud83dx": 1}', "surrogate", 1, 3),
    (b'{"a": NaN}', "NaN and Infinity", 1, 7),
    (b'{"a": -Infinity}', "NaN and Infinity", 1, 7),
    (b'{"a": 1e999}', "too large", 1, 7),
    (b'{"a": ' + b"9" * 5000 + b"}", "too large", 1, 7),
    (b'{"a": 1,\n "b": {"c": 1, "c": 2}}', 'duplicate key "c"', 2, 16),
    (b'{"a": 1, "\\u0061": 2}', 'duplicate key "a"', 1, 10),
    (b'{"a" 1}', '":" is expected', 1, 6),
    (b'{"a": 1 "b": 2}', '"," or a closing bracket', 1, 9),
    (b"{a: 1}", "a key in double quotes", 1, 2),
    (b'{"a": tru}', "a value is expected", 1, 7),
    (b'{"a": 01}', '"," or a closing bracket', 1, 8),
    (b'{"a": 1} x', "nothing may follow", 1, 10),
    (b'{"a": "x', "a string is not closed", 1, 7),
    (b'{"a": "x\n"}', "control character", 1, 9),
    (b'{"a": [1', "ends too early", 1, 9),
    (b"\x00", "a value is expected", 1, 1),
    (b"[" * 100_000, "nested deeper than 128", 1, 129),
    (b'{"a":' * 100_000, "nested deeper than 128", 1, 641),
    (b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "nested deeper than 128", 1, 133),
    (b'{"a":[' + b"[]," * MAX_VALUES + b"[]]}", "more than 500000 values", 1, 1),
]


@pytest.mark.parametrize("data", SOUND, ids=range(len(SOUND)))
def test_sound_objects_pass(data: bytes) -> None:
    """A sound object of any shape within the bounds comes out as the standard library reads it."""
    assert json.loads(data) == parse_object(data)


@pytest.mark.parametrize(("data", "message", "line", "column"), REFUSED, ids=range(len(REFUSED)))
def test_refusals_say_what_and_where(data: bytes, message: str, line: int, column: int) -> None:
    """Each kind of fault is one JsonProblem with its reason, line and column."""
    with pytest.raises(JsonProblem) as caught:
        parse_object(data)

    assert message in caught.value.message
    assert (line, column) == (caught.value.line, caught.value.column)
    assert f"line {line}, column {column}" in str(caught.value)


def test_trailing_commas_are_refused_in_every_python() -> None:
    """Python 3.13 reports a trailing comma in other words and at another place; it is refused everywhere."""
    for data in (b'{"a": 1,}', b'{"a": [1,]}'):
        with pytest.raises(JsonProblem):
            parse_object(data)


def test_the_limit_of_integers_may_be_switched_off() -> None:
    """Without Python's own limit of digits a long integer is read; it is never a crash."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        assert parse_object(b'{"a": ' + b"9" * 5000 + b"}")["a"] == 10**5000 - 1
    finally:
        sys.set_int_max_str_digits(before)


def test_no_value_is_part_of_a_problem() -> None:
    """A refused text is never quoted: it may be a key pasted in the wrong place."""
    for data in (
        b'{"a": sk-planted}',
        b'{"a": "sk-planted}',
        b'{"a": "sk-planted" 1}',
        b'{"a": "sk-planted\\ud800"}',
    ):
        with pytest.raises(JsonProblem) as caught:
            parse_object(data)
        assert "planted" not in str(caught.value) + repr(caught.value)


def test_long_and_odd_keys_are_cut_and_escaped_in_messages() -> None:
    """A duplicate key of 10 KB with control characters makes a short, printable message."""
    key = json.dumps("\x1b[2J\u2028" + "k" * 10_000)
    with pytest.raises(JsonProblem) as caught:
        parse_object(f"{{{key}: 1, {key}: 2}}".encode())

    assert len(caught.value.message) < 120
    assert caught.value.message.isprintable()


def test_scan_collects_every_fault_that_leaves_the_shape_intact() -> None:
    """Duplicate keys, overflows, NaN and half pairs are all found in one pass, then the first fault of grammar."""
    found = scan('{"a": NaN,\n "a": 1e999,\n "b": "\\ud800",\n "b": ]}').problems

    assert [(p.line, p.column) for p in found] == [(1, 7), (2, 2), (2, 7), (3, 7), (4, 2), (4, 7)]


def test_scan_knows_where_everything_stands() -> None:
    """Keys and values of objects, and items of lists, have offsets by their path."""
    text = '{"a.b": {"c": [1, {"d": 2}]}}'
    where = scan(text).where

    assert (text[slice(*_span(where["a.b",], 5))], text[where["a.b",][1]]) == ('"a.b"', "{")
    assert text[where["a.b", "c", 1, "d"][1]] == "2"
    assert text[where["a.b", "c", 0][0]] == "1"


def _span(offsets: tuple[int, int], length: int) -> tuple[int, int]:
    return offsets[0], offsets[0] + length


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@fuzz
@given(st.dictionaries(st.text(max_size=3), JSON, max_size=4), st.booleans(), st.sampled_from([None, 1]))
def test_what_dumps_writes_is_read_back(
    value: dict[str, object], ascii_only: bool, indent: int | None
) -> None:
    """Every object that can be written as UTF-8 is read back equal, by the fast path and by the scanner."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)

    assert value == parse_object(text.encode())
    assert (value, []) == (scan(text).value, scan(text).problems)


def _judge(data: bytes) -> bool:
    """Whether ``data`` passes. What passes can be written again; a problem without a place counts as passing."""
    try:
        value = parse_object(data)
    except JsonProblem as problem:
        return problem.line < 1 or problem.column < 1
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return True


TOKENS = st.sampled_from(
    [
        *'{}[],:"\\',
        " ",
        "\n",
        '"a"',
        '"b":',
        "1",
        "-",
        "1e999",
        "NaN",
        "true",
        "nul",
        "\\ud83d",
        "\\ude00",
        "\\u00",
        "é",
    ]
)


@fuzz
@given(st.lists(TOKENS, max_size=30).map(lambda parts: '{"k":' + "".join(parts)))
def test_token_soup_is_judged_alike_by_both_readers(text: str) -> None:
    """No mixture of tokens crashes either reader, and they agree about what is sound."""
    assert _judge(text.encode()) == (not scan(text).problems)


@fuzz
@given(st.binary(max_size=200))
def test_no_bytes_crash_the_door(data: bytes) -> None:
    """Arbitrary bytes are an object or a JsonProblem."""
    _judge(data)


@pytest.mark.parametrize(
    "text", ["\\", '"', '\\"', "ab\\\\\\", "{[,", "é😀", "\U0001f600\\", "\n{\\"], ids=ascii
)
@pytest.mark.parametrize("portion", [13, 14, 17, 50])
def test_portions_do_not_show(text: str, portion: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large texts are looked at in portions: wherever these end, the verdict is that of the whole."""
    monkeypatch.setattr(strict_json, "_PORTION", portion)
    monkeypatch.setattr(
        strict_json, "MAX_VALUES", 60
    )  # less than the text has bytes, more than it has values
    value = {"a": [text * 9, {"b": text}, 1], text + "k": text * 3}
    assert parse_object(json.dumps(value).encode()) == value
    with pytest.raises(JsonProblem, match="surrogate"):
        parse_object(json.dumps({"a": text * 9 + "\ud83d", "b": text}).encode())
