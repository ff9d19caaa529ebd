"""The codecs of streams: every cut, every line end, and the bound on one event."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.wire.sse import EventTooLarge, LineDecoder, SSEDecoder, dumps, ndjson, sse_data, sse_event
from tests.support.fuzz import fuzz

SAMPLE = 'data: {"a":"é"}%%: comment%%event: x%data:b%data: c%id: 7%%%data: [DONE]%%'
MEANING = [(b"", '{"a":"é"}'.encode()), (b"", None), (b"x", b"b\nc"), (b"", b"[DONE]")]


def read(*pieces: bytes, limit: int = 1 << 20) -> list[tuple[bytes, bytes | None]]:
    decoder = SSEDecoder(limit)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return [(event.name, event.data) for event in [*events, *decoder.close()]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_cuts(end: str) -> None:
    """LF, CRLF and CR mean the same, cut anywhere, also between CR and LF and inside a character."""
    sample = SAMPLE.replace("%", end).encode()

    assert read(sample) == MEANING
    assert read(*(sample[at : at + 1] for at in range(len(sample)))) == MEANING
    for at in range(len(sample)):
        assert read(sample[:at], sample[at:]) == MEANING


@fuzz
@given(st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=12, max_size=12), st.data())
def test_mixed_line_ends(ends: list[str], draw: st.DataObject) -> None:
    """A server may even mix them. (A CR before an LF that ends another line is one line end, as the standard has it.)"""
    parts = SAMPLE.split("%")
    text = parts[0] + "".join(end + part for end, part in zip(ends, parts[1:], strict=False))
    sample = text.encode()
    at = draw.draw(st.integers(0, len(sample)))

    assert read(sample[:at], sample[at:]) == read(sample)


PIECES = [
    b"\n",
    b"\r",
    b"\r\n",
    b"data: a",
    b"data:",
    b"data",
    b"event: e",
    b": c",
    b" ",
    b"\xef\xbb\xbf",
    b"\xef",
]
STREAMS = st.lists(st.sampled_from(PIECES), max_size=16).map(b"".join) | st.binary(max_size=60)


def by_the_standard(sample: bytes) -> list[tuple[bytes, bytes | None]]:
    """The events of a whole stream, read line by line as the standard tells it, blocks of comments included."""
    lines = sample.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    events: list[tuple[bytes, bytes | None]] = []
    block: list[tuple[bytes, bytes]] = []
    for line in lines[:-1]:  # what follows the last line end is no line yet
        if line:
            field, _, value = line.partition(b":")
            block.append((field, value.removeprefix(b" ")))
        elif block:
            data = [value for field, value in block if field == b"data"]
            names = [value for field, value in block if field == b"event"]
            events.append((names[-1] if names else b"", b"\n".join(data) if data else None))
            block = []
    return events


@fuzz
@given(STREAMS)
def test_read_as_the_standard_says(sample: bytes) -> None:
    """Against a reader that is slow and plain, over streams made of what matters to a parser."""
    assert read(sample) == by_the_standard(sample)


@fuzz
@given(STREAMS, st.lists(st.integers(0, 120), max_size=6))
def test_any_bytes_any_cuts(sample: bytes, cuts: list[int]) -> None:
    """What comes out does not depend on where reads ended."""
    places = sorted({0, len(sample), *(cut for cut in cuts if cut < len(sample))})
    pieces = [sample[a:b] for a, b in itertools.pairwise(places)]

    assert read(*pieces) == read(sample)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_raw_bytes_are_kept(end: str) -> None:
    """The raw bytes of all events are the stream, so that a relay may pass them on as they are."""
    sample = SAMPLE.replace("%%%", "%%").replace("%", end).encode()
    decoder = SSEDecoder()

    assert b"".join(event.raw for event in [*decoder.feed(sample), *decoder.close()]) == sample


def test_byte_order_mark() -> None:
    """One is skipped at the very beginning, in however many pieces it comes; later it is data."""
    sample = b"\xef\xbb\xbfdata: a\n\ndata: \xef\xbb\xbf\n\n"

    for at in range(7):
        assert read(sample[:at], sample[at:]) == [(b"", b"a"), (b"", b"\xef\xbb\xbf")]
    assert read(*(sample[at : at + 1] for at in range(len(sample)))) == [(b"", b"a"), (b"", b"\xef\xbb\xbf")]
    assert read(b"\xefdata: a\n\n") == read(b"\xef", b"data: a\n\n") == [(b"", None)]


def test_half_an_event_is_never_given_out() -> None:
    """Without its blank line it is dropped, and told as pending."""
    decoder = SSEDecoder()

    assert decoder.feed(b"data: a\n\ndata: b\n")[0].data == b"a"
    assert list(decoder.close()) == []
    assert decoder.pending == b"data: b\n"


def until_too_large(decoder: Any, pieces: list[bytes]) -> tuple[list[Any], EventTooLarge | None]:
    """What came out, and the fault that ended it."""
    found: list[Any] = []
    try:
        for piece in pieces:
            found += decoder.feed(piece)
    except EventTooLarge as fault:
        return [*found, *fault.before], fault
    return found, None


TOO_LARGE = [b"x" * 150, b"data: " + b"x" * 150 + b"\n\n", b"x\n" * 60 + b"\n\ndata: late\n\n"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("large", TOO_LARGE)
def test_the_bound_on_an_event(large: bytes, end: str) -> None:
    """Too large is too large, whole or unfinished, however it is cut; what was complete before it is handed over."""
    sample = (b"data: a\n\n" + large).replace(b"\n", end.encode())
    for pieces in ([sample], *([sample[:at], sample[at:]] for at in range(len(sample)))):
        found, fault = until_too_large(SSEDecoder(limit=100), pieces)
        assert ([event.data for event in found], str(fault)) == ([b"a"], "an event is larger than 100 bytes")


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_as_large_as_the_limit(end: bytes) -> None:
    """It passes, whole and byte by byte, and so does any number of small ones that come at once."""
    sample = (b"data: " + b"x" * 94 + end * 2) * 3

    assert read(sample, limit=100) == [(b"", b"x" * 94)] * 3
    assert read(*(sample[at : at + 1] for at in range(len(sample))), limit=100) == [(b"", b"x" * 94)] * 3


def test_pieces_are_not_joined_before_they_complete_something() -> None:
    """A hostile upstream cannot make us copy what has come again for each small piece of an endless event."""
    for decoder in (SSEDecoder(), LineDecoder()):
        pieces = [bytes([65 + number]) * 9 for number in range(20)]
        for piece in pieces:
            assert decoder.feed(piece) == []
        kept = decoder._pieces
        assert len(kept) == len(pieces)
        assert all(one is other for one, other in zip(kept, pieces, strict=True))


def test_lines() -> None:
    """NDJSON: cut anywhere, blank lines skipped, the last line may lack its newline."""
    sample = b'{"a":1}\n\n{"b":"\xc3\xa9"}\r\n{"c":3}'
    for at in range(len(sample)):
        decoder = LineDecoder()
        found = [*decoder.feed(sample[:at]), *decoder.feed(sample[at:]), *decoder.close()]
        assert [json.loads(line) for line in found] == [{"a": 1}, {"b": "é"}, {"c": 3}]


@pytest.mark.parametrize("large", [b"x" * 101, b"x" * 101 + b"\nlate\n", b"x" * 200])
def test_the_bound_on_a_line(large: bytes) -> None:
    """The same for a line: with its end or without, in any two pieces, after the lines before it."""
    sample = b"a\n\n" + large
    for at in range(len(sample)):
        found, fault = until_too_large(LineDecoder(limit=100), [sample[:at], sample[at:]])
        assert (found, str(fault)) == ([b"a"], "a line is larger than 100 bytes")
    assert LineDecoder(limit=100).feed((b"x" * 100 + b"\n") * 3) == [b"x" * 100] * 3


def test_encoders() -> None:
    """Compact UTF-8, one event or line each; NaN is refused, because it is not JSON."""
    assert sse_data({"a": "é"}) == 'data: {"a":"é"}\n\n'.encode()
    assert sse_event("ping", {}) == b"event: ping\ndata: {}\n\n"
    assert ndjson([1]) == b"[1]\n"
    assert dumps("a\nb") == b'"a\\nb"'
    assert (
        dumps({"a": ["NaN", "Infinity", 1.0, -2, None, True, "\u2028", "😀", 10**30]})
        == ('{"a":["NaN","Infinity",1.0,-2,null,true,"\u2028","😀",' + "1" + "0" * 30 + "]}").encode()
    )
    for unsound in (float("nan"), {"a": [float("inf")]}, "\ud800", {"\ud800": 1}):
        with pytest.raises(ValueError, match=r"JSON compliant|surrogates"):
            dumps(unsound)
