"""The codecs of streams: every cut, every line end, and the bound on one event."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.sse import EventTooLarge, LineDecoder, SSEDecoder, dumps, ndjson, sse_data, sse_event
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


@fuzz
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6))
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

    for at in range(1, 6):
        assert read(sample[:at], sample[at:]) == [(b"", b"a"), (b"", b"\xef\xbb\xbf")]


def test_half_an_event_is_never_given_out() -> None:
    """Without its blank line it is dropped, and told as pending."""
    decoder = SSEDecoder()

    assert decoder.feed(b"data: a\n\ndata: b\n")[0].data == b"a"
    assert list(decoder.close()) == []
    assert decoder.pending == b"data: b\n"


def test_the_bound_on_an_event() -> None:
    """What was complete comes out first, then the fault; memory does not grow beyond the limit."""
    decoder = SSEDecoder(limit=100)

    assert [event.data for event in decoder.feed(b"data: a\n\n" + b"x" * 150)] == [b"a"]
    with pytest.raises(EventTooLarge):
        decoder.feed(b"x")


def test_lines() -> None:
    """NDJSON: cut anywhere, blank lines skipped, the last line may lack its newline."""
    sample = b'{"a":1}\n\n{"b":"\xc3\xa9"}\r\n{"c":3}'
    for at in range(len(sample)):
        decoder = LineDecoder()
        found = [*decoder.feed(sample[:at]), *decoder.feed(sample[at:]), *decoder.close()]
        assert [json.loads(line) for line in found] == [{"a": 1}, {"b": "é"}, {"c": 3}]


def test_the_bound_on_a_line() -> None:
    """A line without an end is refused."""
    decoder = LineDecoder(limit=100)
    with pytest.raises(EventTooLarge):
        decoder.feed(b"x" * 101)


def test_encoders() -> None:
    """Compact UTF-8, one event or line each; NaN is refused, because it is not JSON."""
    assert sse_data({"a": "é"}) == 'data: {"a":"é"}\n\n'.encode()
    assert sse_event("ping", {}) == b"event: ping\ndata: {}\n\n"
    assert ndjson([1]) == b"[1]\n"
    assert dumps("a\nb") == b'"a\\nb"'
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps(float("nan"))
