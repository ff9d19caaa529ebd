"""The usual token, recognised without being decoded: it makes no difference but the time it takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.faces.face import OpenAIFace
from providers.base import Chunk, Done, Event, Failed
from providers.openai.stream import OpenAIDecoder
from tests.support import recordings
from tests.support.fuzz import fuzz
from tests.support.usual import recognised

BEFORE = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"'
AFTER = b'"},"logprobs":null,"finish_reason":null}]}\n\n'
DONE = b"data: [DONE]\n\n"


def token(text: bytes) -> bytes:
    """An event as most of them are, with ``text`` as it is."""
    return BEFORE + text + AFTER


def relayed(reads: Iterable[bytes], *, recognise: bool) -> tuple[bytes, int, Event | str, int]:
    """What a client of the same dialect sees, of how many chunks it is, how the stream ends, and how many of the chunks
    were not decoded."""
    decoder, face = OpenAIDecoder(), OpenAIFace()
    seen, chunks, passed = b"", 0, 0
    last: Event = Done()
    for data in reads:
        if recognise and (count := recognised(decoder, data)):
            seen, chunks, passed = seen + data, chunks + count, passed + count
            continue
        for last in decoder.feed(data):
            if isinstance(last, Chunk):
                seen, chunks = seen + face.event(last), chunks + 1
    last = next(reversed(decoder.close()), last)
    return seen, chunks, str(last.error) if isinstance(last, Failed) else last, passed


def check(reads: list[bytes]) -> int:
    """How many chunks were recognised, after a look whether that made a difference."""
    *expected, _ = relayed(reads, recognise=False)
    *found, passed = relayed(reads, recognise=True)
    assert found == expected
    return passed


def test_the_second_and_all_that_follow() -> None:
    """One by one or several in a read, in any language."""
    first = [token(b"The")]
    assert check([*first, token(b" press"), token("drukował, 印刷".encode()), token(b""), DONE]) == 3
    assert check([*first, token(b" a") + token(b" b") + token(b" c"), DONE]) == 3


def test_each_text_of_a_model_that_thinks() -> None:
    """Also of servers that send the other text along, empty."""
    both = token(b"%b").replace(b'"content":"%b"', b'"content":"%b","reasoning_content":"%b"')
    thoughts = [both % (b"", word) for word in (b"a", b"b", b"c")]
    words = [both % (word, b"") for word in (b"x", b"y", b"z")]
    assert check([*thoughts, *words, DONE]) == 4


@pytest.mark.parametrize("name", ["openai", "vllm"])
def test_recordings(name: str) -> None:
    """Much of what real servers send is recognised, though these are short, and nothing is changed by that."""
    events = passed = 0
    for found in recordings.recordings(name):
        reads = [event + b"\n\n" for event in found.data.split(b"\n\n")]
        events, passed = events + len(reads), passed + check(reads)
    assert passed > events / 4


@pytest.mark.parametrize(
    "odd",
    {
        "an escape": token(rb"a\nb"),
        "a quote": token(b'a"b'),
        "a quote that ends it and begins another": token(b'a","role":"b'),
        "a control character": token(b"a\tb"),
        "a line end": token(b"a\nb"),
        "two line ends": token(b"a\n\nb"),
        "a carriage return": token(b"a\r\rb"),
        "broken UTF-8": token(b"a\xc3"),
        "a surrogate": token(b"\xed\xa0\x80"),
        "half of it": token(b"a")[:-1],
        "more than it": token(b"a") + b"\n",
        "another before it": DONE + token(b"a"),
        "a half behind it": token(b"a") + BEFORE,
        "a comment before it": b": wait\n\n" + token(b"a"),
        "a name before it": b"event: error\n" + token(b"a"),
        "something before it": b" " + token(b"a"),
        "the beginning missing": token(b"a")[1:],
        "usage": token(b"a").replace(b"]}\n\n", b'],"usage":{"prompt_tokens":1}}\n\n'),
        "the end": token(b"a").replace(b'reason":null', b'reason":"stop"'),
        "an error": b'data: {"error":{"message":"no"}}\n\n',
        "nothing": b"",
    }.values(),
    ids=str,
)
def test_what_is_odd_is_decoded(odd: bytes) -> None:
    """And what follows it is judged by that."""
    check([token(b"1"), token(b"2"), odd, token(b"3"), token(b"4") + odd, token(b"5"), DONE])


@pytest.mark.parametrize(
    "first",
    {
        "spaces": b'data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "x"}}]}\n\n',
        "a role": token(b"x").replace(b'{"content"', b'{"role":"assistant","content"'),
        "reasoning": token(b"x").replace(b'"content"', b'"content":null,"reasoning_content"'),
        "both texts": token(b"x").replace(b'"content"', b'"reasoning_content":"y","content"'),
        "its name in another place": token(b"x").replace(b'"id":"c"', b'"id":"content","content":"z"'),
        "twice in it": token(b"x").replace(b'"content":"x"', b'"content":"y","content":"x"'),
        "in another letter": token(b"x").replace(
            b'"content":"x"', rb'"c\u006fntent":"x","other":{"content":"z"}'
        ),
        "logprobs": token(b"x").replace(b":null", b':{"content":[{"token":"x"}]}', 1),
        "two choices": token(b"x").replace(b"null}]", b'null},{"index":1,"delta":{"content":"x"}}]'),
        "no text": token(b"x").replace(b'"x"', b"null"),
        "a number": token(b"x").replace(b'"x"', b"1"),
        "carriage returns": token(b"x").replace(b"\n", b"\r\n"),
        "two lines": token(b"x").replace(b',"choices"', b'\ndata: ,"choices"'),
        "no space": token(b"x").replace(b"data: ", b"data:").replace(b"\n\n", b"\n\n "),
    }.values(),
    ids=str,
)
def test_whatever_was_learnt(first: bytes) -> None:
    """A shape is that of the text alone; where another text stands, it would be another chunk."""
    others = [first.replace(b'"x"', text) for text in (b'"y"', b'"z"', b'""', b"null", b'"', b'"\\"')]
    for other in others:
        check([first, first, other, other + other, first, DONE])


def test_a_random_field_is_learnt_once() -> None:
    """Such a stream costs a few lessons, not one for each token."""
    reads = [token(b"x").replace(b"]}", b'],"obfuscation":"%d"}' % at) for at in range(50)]
    assert check(reads) == 0


def _reads(events: list[bytes], cuts: list[int]) -> Iterator[bytes]:
    """The events, cut anywhere."""
    whole = b"".join(events)
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
_EVENT = st.one_of(
    _TEXT.map(token),
    _TEXT.map(token),
    _TEXT.map(lambda text: token(text).replace(b'"content"', b'"reasoning_content"')),
    st.sampled_from([DONE, b": wait\n\n", token(b"a").replace(b"\n", b"\r\n"), b"\n"]),
)


@fuzz
@given(events=st.lists(_EVENT, max_size=8), cuts=st.lists(st.integers(0, 2000), max_size=4))
def test_any_stream(events: list[bytes], cuts: list[int]) -> None:
    """Whatever comes, and however it is cut."""
    check(events)
    check(list(_reads(events, cuts)))


@fuzz
@given(
    at=st.integers(0, len(token(b"abc")) - 1),
    byte=st.integers(0, 255),
    again=st.booleans(),
)
def test_any_byte_that_is_another(at: int, byte: int, again: bool) -> None:
    """A shape vouches for nothing but a text."""
    event = token(b"abc")
    spoilt = event[:at] + bytes([byte]) + event[at + 1 :]
    check([event, event, spoilt, *([spoilt] if again else []), event, DONE])
