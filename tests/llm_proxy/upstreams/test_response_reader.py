"""The bytes of an answer: however they are cut, they mean the same, and nonsense is always a fault, never a crash."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_proxy.net.faults import ProtocolError
from llm_proxy.upstreams.response_head import MAX_HEAD, Framing
from llm_proxy.upstreams.response_reader import MAX_INFORMATIONAL, ResponseReader

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

#: Whole answers, the body that is in them, and whether the connection may be used again.
WHOLE = {
    "length": (HEAD + b"Content-Length: 5\r\n\r\nhello", b"hello", True),
    "chunks": (CHUNKED + b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", b"hello", True),
    "extension and trailers": (CHUNKED + b"5;a=b\r\nhello\r\n0;c\r\nX: y\r\nZ: w\r\n\r\n", b"hello", True),
    "chunks of line ends": (CHUNKED + b"6\r\n\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n\r\n", True),
    "informational": (
        b"HTTP/1.1 103 Hint\r\nA: b\r\n\r\n" + HEAD + b"Content-Length: 2\r\n\r\nok",
        b"ok",
        True,
    ),
    "nothing": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "close": (HEAD + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
    "old": (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    "odd case": (HEAD + b"cOnTeNt-LeNgTh: 5 \r\n\r\nhello", b"hello", True),
    "line end in front": (b"\r\n" + HEAD + b"Content-Length: 5\r\n\r\nhello", b"hello", True),
}


def read(*pieces: bytes, method: str = "GET") -> tuple[bytes, ResponseReader]:
    """Feed a reader, as a connection does, until it is done."""
    reader = ResponseReader(method)
    body = b""
    for piece in pieces:
        body += reader.feed(piece)
    return body, reader


@pytest.mark.parametrize("name", WHOLE)
def test_every_way_to_cut_an_answer_in_three(name: str) -> None:
    """Cut at any two places, an answer has the same body, the same end and the same verdict on reuse."""
    data, body, reusable = WHOLE[name]
    for i, j in itertools.combinations(range(1, len(data)), 2):
        got, reader = read(data[:i], data[i:j], data[j:])
        assert (got, reader.outcome, reader.reusable) == (body, True, reusable), (i, j)


@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_that_is_not_whole_is_not_complete(name: str) -> None:
    """Every proper prefix of an answer leaves it open, and its body is a prefix of the body."""
    data, body, _ = WHOLE[name]
    for size in range(len(data)):
        got, reader = read(*([data[:size]] if size else []))
        assert reader.outcome is None
        assert body.startswith(got)
        lost = reader.ended(None)
        assert lost is not None
        assert lost.kind == ("eof" if reader.head is None else "truncated")


@pytest.mark.parametrize("name", WHOLE)
def test_bytes_after_the_end_are_not_part_of_it(name: str) -> None:
    """In the same read or a later one, what follows the end is not read, and forbids reuse."""
    data, body, _ = WHOLE[name]
    for extra in (b"x", b"\r\n", HEAD + b"Content-Length: 4\r\n\r\nEVIL", b"\0"):
        for pieces in ((data + extra,), (data, extra), (data[:-1], data[-1:] + extra)):
            got, reader = read(*pieces)
            assert (got, reader.outcome, reader.reusable) == (body, True, False)
            assert reader.head is not None
            assert reader.head.code in (200, 204)


def test_until_close() -> None:
    """Without any framing the end of the connection is the end of the body, unless it is a reset."""
    got, reader = read(HEAD + b"\r\nab", b"cd")
    assert (got, reader.outcome, reader.reusable) == (b"abcd", None, False)
    assert reader.ended(None) is None
    lost = reader.ended(ConnectionResetError())
    assert lost is not None
    assert (lost.phase, lost.kind) == ("body", "reset")


def test_the_limits_of_a_head() -> None:
    """A head of exactly the limit is read, one byte more is refused, and so are too many lines."""
    for size, outcome in ((MAX_HEAD, True), (MAX_HEAD + 1, "too_large")):
        filler = size - len(b"HTTP/1.1 204 No\r\nX: \r\n\r\n")
        _, reader = read(b"HTTP/1.1 204 No\r\nX: " + b"a" * filler + b"\r\n\r\n")
        assert getattr(reader.outcome, "kind", reader.outcome) == outcome
    for count, outcome in ((200, True), (201, "too_large")):
        _, reader = read(b"HTTP/1.1 204 No\r\n" + b"X: y\r\n" * count + b"\r\n")
        assert getattr(reader.outcome, "kind", reader.outcome) == outcome


def test_the_limit_of_informational_answers() -> None:
    """Ten are skipped, the eleventh is a fault."""
    early = b"HTTP/1.1 102 Processing\r\n\r\n"
    for count, outcome in ((MAX_INFORMATIONAL, True), (MAX_INFORMATIONAL + 1, "informational")):
        _, reader = read(early * count + b"HTTP/1.1 204 No\r\n\r\n")
        assert getattr(reader.outcome, "kind", reader.outcome) == outcome


def test_the_head_of_an_answer() -> None:
    """Status, reason and fields come out as they were sent; values are stripped, repetitions kept, in order."""
    _, reader = read(b"HTTP/1.1 404 Not  Here\r\nA:b\r\nSet-Cookie: one\r\nset-cookie:\ttwo \r\nE:\r\n\r\n")
    head = reader.head
    assert head is not None
    assert (head.code, head.reason, head.framing) == (404, "Not  Here", Framing.UNTIL_CLOSE)
    assert head.pairs() == (("A", "b"), ("Set-Cookie", "one"), ("set-cookie", "two"), ("E", ""))


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_mutilated_answers(data: st.DataObject) -> None:
    """Bytes deleted, doubled or replaced anywhere: complete, open or a ProtocolError, and never more bytes than came."""
    raw, _, _ = WHOLE[data.draw(st.sampled_from(sorted(WHOLE)))]
    broken = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(broken) - 1))
        part = data.draw(
            st.one_of(st.binary(max_size=3), st.sampled_from([b"\r\n", b"\n", b"0", b":", b" "]))
        )
        broken[at : at + data.draw(st.integers(0, 3))] = part
        broken = broken or bytearray(b"x")
    cut = data.draw(st.integers(0, len(broken)))
    pieces = [bytes(piece) for piece in (broken[:cut], broken[cut:]) if piece]
    got, reader = read(*pieces)
    assert reader.outcome in (None, True) or isinstance(reader.outcome, ProtocolError)
    assert len(got) <= len(broken)
    if isinstance(reader.outcome, ProtocolError):
        assert (reader.outcome.phase == "head") is (reader.head is None)
        assert reader.outcome.kind in ProtocolError.kinds


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8), st.data())
def test_any_chunks_come_out_as_they_went_in(chunks: list[bytes], data: st.DataObject) -> None:
    """Whatever is in the chunks, and wherever the reads cut them, the body is their sum."""
    raw = CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=5)))
    pieces = [raw[i:j] for i, j in itertools.pairwise([0, *cuts, len(raw)]) if i < j]
    got, reader = read(*pieces)
    assert (got, reader.outcome, reader.reusable) == (b"".join(chunks), True, True)
