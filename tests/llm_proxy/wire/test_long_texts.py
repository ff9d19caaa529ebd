"""Long texts are read and written apart: the values, the bytes and the faults are the same as without."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.wire import large_json, long_texts, strict_json
from llm_proxy.wire.large_json import encoded, much
from llm_proxy.wire.long_texts import LongTexts
from llm_proxy.wire.sse import dumps
from llm_proxy.wire.strict_json import MAX_MEMBERS, JsonProblem, parse_object
from providers.common import json_objects
from tests.support.fuzz import fuzz


@pytest.fixture(autouse=True, scope="module")
def short_ones() -> Iterator[None]:
    """Texts of 64 bytes are long ones here, of portions of 32."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_texts, "PORTION", 32)
        for module in (long_texts, strict_json, json_objects):
            patch.setattr(module, "LONG", 64)
        patch.setattr(large_json, "SLICE", 64)
        yield


#: What a text may be made of: all ways to write something, and each of them at every place of a portion.
_PARTS = st.sampled_from(
    [
        "x", "xxxxxxx", "é", "😀", "ż", "[{,", '\\"', "\\\\", "\\/", "\\n", "\\u0041", "\\u00e9", "\\ud83d\\ude00", "\\\\ud83d",
        "\\\\\\ud83d\\ude00", "\\\\\\\\", "0.5", "/*",
    ]
)  # fmt: skip
_TEXTS = st.lists(_PARTS, max_size=60).map("".join)
_FAULTS = st.sampled_from(
    ["\\x", "\\u12", "\\ud83d", "\\ude00", "\n", "\x00", '"', "\\", "\\ud83dx", "\\ud83d\\u0041"]
)
_DOCUMENTS = st.builds(
    '{{\n "a": "{}", "b": ["{}", {{"c": "{}"}}],\n\n "d": "{}"{}'.format,
    _TEXTS, _TEXTS, _TEXTS, _TEXTS, st.sampled_from(["}", "}", "}\n", "", "} x", ', "a": 1}', ', "e": NaN}', ', "e": 1e999}', ", e: 1}"]),
)  # fmt: skip


def _outcome(data: bytes, *, apart: bool) -> Any:
    try:
        return parse_object(data) if apart else strict_json._object(data, strict_json._DECODER)
    except JsonProblem as problem:
        return problem.line, problem.column


@fuzz
@given(_DOCUMENTS)
def test_the_same_is_read(document: str) -> None:
    """Values, and the places of faults that stand elsewhere."""
    data = document.encode()
    assert _outcome(data, apart=True) == _outcome(data, apart=False)


@fuzz
@given(_TEXTS, _FAULTS, _TEXTS)
def test_faults_of_texts(before: str, fault: str, after: str) -> None:
    """One fault in a text, wherever a portion ends, is found where it is."""
    data = f'{{"b": "{"y" * 70}",\n "a": "{before}{fault}{after}"}}'.encode()
    apart, plain = _outcome(data, apart=True), _outcome(data, apart=False)
    assert apart == plain


@fuzz
@given(st.binary(max_size=40), st.integers(0, 200))
def test_any_bytes(some: bytes, at: int) -> None:
    """What is no JSON or no text is refused in the same place, and nothing else is raised."""
    sound = f'{{"a": "{"zażółć" * 12}", "b": "{"x" * 100}"}}'.encode()
    data = sound[:at] + some + sound[at:]
    assert isinstance(_outcome(data, apart=True), dict) == isinstance(_outcome(data, apart=False), dict)


def test_a_key_is_no_long_text() -> None:
    """It would be read in one step."""
    with pytest.raises(JsonProblem, match="a key must not be longer than") as found:
        parse_object(b'{"a": "' + b"x" * 70 + b'", "' + b"k" * 100 + b'": 1}')
    assert found.value.column == 81


def test_lines_are_counted_in_portions() -> None:
    """Also if there are many before the fault."""
    with pytest.raises(JsonProblem) as found:
        parse_object(b'{"a": "' + b"x" * 70 + b'",' + b"\n" * 100_000 + b' "b": NaN}')
    assert (found.value.line, found.value.column) == (100_001, 7)


@pytest.mark.parametrize("beside", ["0", "1e5", ".5", '"', "null", "-", "x", "[0]", '"x"', " 0", "\n0"])
def test_what_stands_beside_a_text(beside: str) -> None:
    """Nothing joins with it: where a comma is missing is told as it is without."""
    text = '"' + "x" * 70 + '"'
    for document in (
        f'{{"a": [{text}{beside}]}}',
        f'{{"a": [{beside}{text}]}}',
        f'{{"a": {text}{beside}, "b": {text}}}',
    ):
        data = document.encode()
        assert _outcome(data, apart=True) == _outcome(data, apart=False), document


def test_numbers_stand_for_texts_only_once() -> None:
    """Whatever number a client writes stays a number."""
    data = json.dumps({"a": "x" * 100, "b": 0.1234567890123456}).encode()
    assert parse_object(data) == json.loads(data)
    texts = LongTexts(data)
    assert texts.get("0.5") is None
    assert b"x" not in texts.rest


_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5) | st.just('é"\\\n😀' * 40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=30,
)


@fuzz
@given(_VALUES)
def test_the_same_is_written(value: Any) -> None:
    """In slices or not."""
    with much():
        assert encoded(value) == dumps(value)
    assert encoded(value) == dumps(value)


def test_long_lists_and_objects_are_written_in_groups() -> None:
    """The bytes are the same on every border."""
    for count in (0, 1, 99, 100, 101, 200, 20_001):
        for value in (
            list(range(count)),
            {str(n): {"a": [n]} for n in range(count)},
            [["x" * 70]] * min(count, 300),
        ):
            with much():
                assert encoded({"a": value}) == dumps({"a": value})


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": ["' + b"\\n" * 60 + b'", 1.5, "\\ud83d\\ude00"]}',
        b'["' + "ż".encode() * 60 + b'", "short"]',
    ],
)
def test_answers_are_read_apart(data: bytes) -> None:
    """Both readers of answers give what the standard library does."""
    assert json_objects.loads(data) == large_json.loads(data) == json.loads(data)


@pytest.mark.parametrize("bad", [b"\\x", b"\n", b"\xff", b"\\ud83d", b'" "'])
def test_bad_answers(bad: bytes) -> None:
    """What is wrong with a long text is wrong with the answer."""
    data = b'["' + b"x" * 70 + bad + b'"]'
    with pytest.raises(json_objects.Malformed):
        json_objects.loads(data)
    if bad != b"\\ud83d":
        with pytest.raises(ValueError, match=r"."):
            large_json.loads(data)


@pytest.mark.parametrize("value", ["0", "[]", "{}", "[0,{}]", '"x"'])
def test_an_object_has_so_many_members(value: str) -> None:
    """Whatever they are; lists may be longer."""

    def text(count: int) -> bytes:
        return ("[" + ",".join(f'"k{n}":{value}' for n in range(count)) + "]").encode()

    wide = (
        b'{"list":'
        b"[" + b"0," * (2 * MAX_MEMBERS) + b"0]" + b',"x":[{"y":{' + text(MAX_MEMBERS + 1)[1:-1] + b"}}]}"
    )
    with pytest.raises(JsonProblem, match=f"an object holds more than {MAX_MEMBERS} members"):
        parse_object(wide)
    assert len(parse_object(b"{" + text(MAX_MEMBERS)[1:-1] + b"}")) == MAX_MEMBERS
