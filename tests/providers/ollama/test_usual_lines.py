"""The usual line, recognised without being decoded: it makes no difference but the time it takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.faces.face import OpenAIFace
from llm_proxy.wire.events import Chunk, Failed
from providers.ollama.answer import OllamaDecoder
from tests.support import recordings
from tests.support.fuzz import fuzz

LAST = b'{"model":"m","created_at":"2025-01-01T00:00:09Z","message":{"role":"assistant","content":""},"done":true}\n'


def line(text: bytes, at: bytes = b"2025-01-01T00:00:01.5Z") -> bytes:
    """A line as most of them are, with ``text`` as it is."""
    return (
        b'{"model":"m","created_at":"'
        + at
        + b'","message":{"role":"assistant","content":"'
        + text
        + b'"},"done":false}\n'
    )


def told(reads: Iterable[bytes], asked: str, *, recognise: bool) -> tuple[Any, int]:
    """What a client of the canonical dialect sees, of how many chunks that is, how the stream ends; and how many were recognised."""
    decoder, face = OllamaDecoder(), OpenAIFace(asked=asked)
    decoder._make.id, decoder._make.created = "id", 1
    seen, chunks, passed, last = b"", 0, 0, ""
    known = head = None
    for data in reads:
        if recognise and head is not None and (rest := decoder.usual(data)):
            seen, chunks, passed = seen + head + rest, chunks + 1, passed + 1
            continue
        for event in decoder.feed(data):
            if isinstance(event, Chunk):
                seen, chunks = seen + face.event(event), chunks + 1
            else:
                last = str(event.error) if isinstance(event, Failed) else str(event)
        if decoder.known is not known:
            known = decoder.known
            head = face.written_head(*known) if known is not None else None
    seen = re.sub(rb"call_[0-9a-f]{24}", b"call", seen)  # made here, each another
    return (seen, chunks, last, [str(event) for event in decoder.close()]), passed


def check(reads: list[bytes], asked: str = "ours") -> int:
    """How many were recognised, after a look whether that made a difference."""
    expected, _ = told(reads, asked, recognise=False)
    found, passed = told(reads, asked, recognise=True)
    assert found == expected
    return passed


@pytest.mark.parametrize("asked", ["", "m", "ours", 'o"dd\\'])
def test_the_third_and_all_that_follow(asked: str) -> None:
    """Whatever the time, in any language, of the answer and of the thoughts before it."""
    words = [
        line(b"a"),
        line(b"b"),
        line(b" c", b"2025-01-01T00:00:02Z"),
        line("ż印".encode()),
        line(b"!", b""),
    ]
    assert check([*words, LAST], asked) == 3
    thoughts = [one.replace(b'"content"', b'"content":"","thinking"') for one in words]
    assert check([*thoughts, *words, LAST], asked) == 7


@pytest.mark.parametrize(
    "odd",
    {
        "an escape": line(rb"a\nb"),
        "a quote": line(b'a"b'),
        "another member": line(b'a","role":"b'),
        "a control character": line(b"a\tb"),
        "broken UTF-8": line(b"a\xc3"),
        "a surrogate": line(b"\xed\xa0\x80"),
        "nothing said": line(b""),
        "two lines": line(b"a") + line(b"b"),
        "half of it": line(b"a")[:-9],
        "no line end": line(b"a")[:-1],
        "an escape in the time": line(b"a", rb"2025\u0020"),
        "broken UTF-8 in the time": line(b"a", b"\xc3"),
        "UTF-8 that begins in the time": line(b"\xa9", b"\xc3"),
        "a control character in the time": line(b"a", b"\x01"),
        "another role": line(b"a").replace(b"assistant", b"tool"),
        "done": line(b"a").replace(b"false", b"true"),
        "an error": b'{"error":"no"}\n',
        "nothing": b"",
        "a blank line": b"\n",
    }.values(),
    ids=str,
)
def test_what_is_odd_is_decoded(odd: bytes) -> None:
    """And what follows it is judged by that."""
    check([line(b"1"), line(b"2"), line(b"3"), odd, line(b"4"), line(b"5") + odd, line(b"6"), LAST])


@pytest.mark.parametrize(
    "first",
    {
        "spaces": line(b"x").replace(b":", b": "),
        "carriage returns": line(b"x").replace(b"\n", b"\r\n"),
        "no time": line(b"x").replace(b'"created_at":"2025-01-01T00:00:01.5Z",', b""),
        "the time behind it": b'{"message":{"content":"x"},"created_at":"1","done":false}\n',
        "two times": line(b"x").replace(b'"done"', b'"created_at":"2","done"'),
        "two texts": line(b"x").replace(b'"content":"x"', b'"content":"y","content":"x"'),
        "both texts": line(b"x").replace(b'"content"', b'"thinking":"y","content"'),
        "a text in the time's place": line(b"x").replace(b'"model":"m"', b'"model":"\\"content\\":\\"x"'),
        "a text that is said elsewhere": line(b"x").replace(b'"model"', b'"content":"x","model"'),
        "a text like the model's name": line(b"m"),
        "logprobs": line(b"x").replace(b'"done"', b'"logprobs":[{"token":"x","logprob":-1}],"done"'),
        "a call": line(b"x").replace(
            b'"content"', b'"tool_calls":[{"function":{"name":"f","arguments":{}}}],"content"'
        ),
    }.values(),
    ids=str,
)
def test_whatever_was_learnt(first: bytes) -> None:
    """A shape is that of the text and the time alone."""
    others = [first.replace(b'"x"', text) for text in (b'"y"', b'"z"', b'""', b"null", b'"', b'"\\""')]
    for other in others:
        check([first, first, other, other + other, first, LAST])


def test_recordings() -> None:
    """Nothing of what real servers send is changed."""
    for found in recordings.recordings("ollama"):
        check([one + b"\n" for one in found.data.split(b"\n")])


def _reads(lines: list[bytes], cuts: list[int]) -> Iterator[bytes]:
    whole = b"".join(lines)
    places = sorted({0, len(whole), *(cut % (len(whole) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        yield whole[start:end]


_TEXT = st.one_of(
    st.text(max_size=6).map(
        lambda text: json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "replace")
    ),
    st.text(max_size=6).map(lambda text: json.dumps(text)[1:-1].encode()),
    st.binary(max_size=3),
)
_LINE = st.one_of(
    _TEXT.map(line),
    _TEXT.map(line),
    st.tuples(_TEXT, _TEXT).map(lambda both: line(*both)),
    _TEXT.map(lambda text: line(text).replace(b'"content"', b'"content":"","thinking"')),
    st.sampled_from([LAST, b"\n", line(b"a").replace(b"\n", b"\r\n"), line(b"a"), line(b"b")]),
)


@fuzz
@given(lines=st.lists(_LINE, max_size=9), cuts=st.lists(st.integers(0, 2000), max_size=4))
def test_any_stream(lines: list[bytes], cuts: list[int]) -> None:
    """Whatever comes, and however it is cut."""
    check([line(b"1"), line(b"2"), *lines])
    check(list(_reads(lines, cuts)))


@fuzz
@given(at=st.integers(0, len(line(b"abc")) - 1), byte=st.integers(0, 255))
def test_any_byte_that_is_another(at: int, byte: int) -> None:
    """A shape vouches for nothing but a text and a time."""
    whole = line(b"abc")
    spoilt = whole[:at] + bytes([byte]) + whole[at + 1 :]
    check([whole, whole, whole, spoilt, whole, LAST])
