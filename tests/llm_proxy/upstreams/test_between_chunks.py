"""Whether a reader of an answer stands between two chunks: known by one look at the last read, or not at all."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_proxy.upstreams.response_reader import ResponseReader
from tests.support.fuzz import fuzz

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(body: bytes, line: str = "%x\r\n") -> bytes:
    return (line % len(body)).encode() + body + b"\r\n"


def said(reads: list[bytes]) -> list[bool]:
    """What the reader says after each of them."""
    reader = ResponseReader("POST")
    reader.feed(HEAD)
    return [reader.between_chunks(data, reader.feed(data)) for data in reads]


@pytest.mark.parametrize("body", [b"data: x\n\n", b'{"a":1}\n', b"{", b"data: " + b"x" * 300])
def test_one_chunk_alone(body: bytes) -> None:
    """One event, or one line, in one chunk, in one read."""
    assert said([chunk(body), chunk(body)]) == [True, True]
    assert said([chunk(body)[:-1], b"\n", chunk(body)]) == [False, False, True]


@pytest.mark.parametrize(
    "reads",
    [
        [chunk(b"data: x\n\n") * 2],
        [chunk(b"data: x\n\n", "%x;a=b\r\n")],
        [chunk(b"data: x\n\n", "0%x\r\n")],
        [chunk(b"x")],
        [chunk(b"data: x\n\n") + b"0\r\n\r\n"],
        [b"0\r\n\r\n"],
    ],
)
def test_what_says_nothing(reads: list[bytes]) -> None:
    """Whatever else a read is: nobody knows, which costs no more than time."""
    assert said(reads) == [False]


def test_other_framings() -> None:
    """Where there are no chunks, nothing stands between two of them."""
    for head in (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"):
        reader = ResponseReader("POST")
        reader.feed(head)
        data = chunk(b"data: x\n\n")
        assert not reader.between_chunks(data, reader.feed(data))


_BODY = st.one_of(
    st.lists(
        st.sampled_from(
            [b"d", b"a", b"data: ", b"{", b"\r\n", b"4\r\n", b"1\r\n", b"f\r\n", b"x", b"0", b"\n"]
        ),
        min_size=1,
        max_size=8,
    ).map(b"".join),
    st.sampled_from([b"data: x\n\n", b"{}\n", b"4\r\n4", b"da\r\nda", b"{" * 20]),
)


@fuzz
@example(bodies=[b"4\r\n4", b"xxxx"], lines=["%x\r\n"], cuts=[3])
@given(
    bodies=st.lists(_BODY, min_size=1, max_size=6),
    lines=st.lists(
        st.sampled_from(["%x\r\n", "%x\r\n", "%X\r\n", "0%x\r\n", "%x;d=a\r\n"]), min_size=1, max_size=3
    ),
    cuts=st.lists(st.integers(0, 200), max_size=8),
)
def test_it_is_never_wrong(bodies: list[bytes], lines: list[str], cuts: list[int]) -> None:
    """Bodies that look like sizes and like chunks, cut anywhere: where it says so, a chunk has just ended."""
    pieces = [chunk(body, lines[at % len(lines)]) for at, body in enumerate(bodies)]
    whole, ends, at = b"".join(pieces), {0}, 0
    for piece in pieces:
        at += len(piece)
        ends.add(at)
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    found = said([whole[start:end] for start, end in pairwise(places)])
    assert all(place in ends for place, yes in zip(places[1:], found, strict=True) if yes)
