"""What is relayed without being decoded: nobody sees a difference, whatever comes and however it is cut."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.faces.face import OpenAIFace
from llm_proxy.relay.passed_on import CHUNK, expressed, passed_on
from llm_proxy.wire.events import Chunk, Comment, Done, Event, Failed
from providers.openai.stream import OpenAIDecoder
from tests.support.fuzz import fuzz

DONE = b"data: [DONE]\n\n"


def token(text: bytes, model: bytes = b"theirs") -> bytes:
    """An event as most of them are, with ``text`` as it is."""
    return (
        b'data: {"id":"c","model":"'
        + model
        + b'","choices":[{"index":0,"delta":{"content":"'
        + text
        + b'"}}]}\n\n'
    )


ROLE = token(b"").replace(b'"content":""', b'"role":"assistant"')
LAST = token(b"").replace(b'{"content":""}', b'{},"finish_reason":"stop"')


def _seen(written: Iterable[bytes], events: Iterable[Event]) -> tuple[bytes, int, str]:
    chunks, last = 0, ""
    for event in events:
        chunks += type(event) is Chunk
        if type(event) is Done or type(event) is Failed:
            last = str(event.error) if type(event) is Failed else "done"
    return b"".join(written), chunks, last


def _plainly(reads: Iterable[bytes], asked: str) -> tuple[Any, int]:
    decoder, face = OpenAIDecoder(), OpenAIFace(asked=asked)
    written: list[bytes] = []
    events: list[Event] = []
    for data in reads:
        found = decoder.feed(data)
        events += found
        said = [one for one in found if isinstance(one, (Chunk, Comment))]
        written.append(expressed(face.events, said))
    return _seen(written, events), 0


def _passed_on(reads: Iterable[bytes], asked: str) -> tuple[Any, int]:
    decoder, face = OpenAIDecoder(), OpenAIFace(asked=asked)
    written: list[bytes] = []
    events: list[Event] = []
    for data in reads:
        found, said = passed_on(decoder, face, data)
        events += found
        written.append(said)
    return _seen(written, events), sum(event is CHUNK for event in events)


def _lone(reads: Iterable[bytes], asked: str) -> Any:
    """As the relay does it with one read after the other: for a lone token only what precedes its text is changed."""
    decoder, face = OpenAIDecoder(), OpenAIFace(asked=asked)
    written: list[bytes] = []
    events: list[Event] = []
    known = head = None
    for data in reads:
        if head is not None and known is not None and decoder.usual(data):
            events.append(CHUNK)
            written.append(head + data[len(known[0]) :])
            continue
        found, said = passed_on(decoder, face, data)
        events += found
        written.append(said)
        if said:
            known = decoder.known
            head = face.retold_head(*known) if known is not None else None
    return _seen(written, events)


def check(reads: list[bytes], asked: str = "ours") -> int:
    """How many chunks were not decoded, after a look whether that made a difference."""
    expected, _ = _plainly(reads, asked)
    found, passed = _passed_on(reads, asked)
    assert found == expected
    assert _lone(reads, asked) == expected
    return passed


@pytest.mark.parametrize("asked", ["", "theirs", "ours"])
def test_a_burst_is_decoded_as_far_as_it_must_be(asked: str) -> None:
    """All of an answer in one read: its first token is decoded, and its end."""
    tokens = [token(b"word%d" % at) for at in range(60)]
    assert check([b"".join([*tokens, LAST, DONE])], asked) == 59
    assert check([b"".join([ROLE, *tokens, LAST, DONE])], asked) == 59
    assert check([b"".join([ROLE, *tokens[:30]]), b"".join([*tokens[30:], LAST, DONE])], asked) == 59


def test_half_a_token_at_the_end_waits() -> None:
    """A cut within an event costs that event alone."""
    whole = b"".join(token(b"word%d" % at) for at in range(10))
    assert check([whole[:-20], whole[-20:] + token(b"x") * 5 + LAST + DONE]) == 13


def test_one_that_is_odd_is_decoded_and_no_other() -> None:
    """An escape, a quote, half a character."""
    for odd in (rb"a\nb", b'a"b', b"\xc3", "ż".encode(), b"a\tb"):
        some = token(b"x") * 5
        assert check([some + token(odd) + some + LAST + DONE]) >= (
            4 if odd in (b'a"b', b"\xc3", b"a\tb") else 9
        )
    assert check([token(b"x") * 2 + token(b"\xc3") + token(b"\xa9") + DONE]) == 1


def test_names_that_are_not_alike() -> None:
    """Then each event is looked at."""
    both = token(b"x") + token(b"x", b"another")
    check([both * 5 + LAST + DONE])
    check([token(b"x", b"ours") * 2 + token(b"x") * 5 + token(b"x", b"ours") * 2 + DONE])


def _reads(events: list[bytes], cuts: list[int]) -> Iterator[bytes]:
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
    st.sampled_from([token(b"a"), token(b"of "), token(b"")]),
    _TEXT.map(token),
    _TEXT.map(lambda text: token(text).replace(b'"content"', b'"reasoning_content"')),
    st.sampled_from(
        [
            ROLE,
            LAST,
            b": wait\n\n",
            token(b"a").replace(b"\n", b"\r\n"),
            b"\n",
            token(b"a", b"ours"),
            token(b"a", b"x"),
        ]
    ),
    st.sampled_from([DONE, token(b"a").replace(b"]}\n", b'],"usage":{"prompt_tokens":1}}\n')]),
)


@fuzz
@given(
    events=st.lists(_EVENT, max_size=10),
    cuts=st.lists(st.integers(0, 2000), max_size=4),
    asked=st.sampled_from(["", "ours", "theirs"]),
)
def test_any_stream(events: list[bytes], cuts: list[int], asked: str) -> None:
    """Whatever comes, and however it is cut."""
    check([b"".join(events)], asked)
    check(events, asked)
    check(list(_reads(events, cuts)), asked)
