"""An answer whose head is like the connection's last is read as one that nothing is known of."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from llm_proxy.upstreams.known_answer import KnownAnswer
from llm_proxy.upstreams.response_reader import ResponseReader

DATES = ("Sat, 28 Nov 2026 08:00:00 GMT", "Sat, 28 Nov 2026 08:00:01 GMT", "Sun, 29 Nov 2026 08:00:01 GMT")
LENGTHS = st.sampled_from(["1", "2", "7", "07", "12", "0", "", "1 ", "+1", "1x", "9" * 19])
HEADS = st.sampled_from(
    [
        "date: {0}\r\nserver: uvicorn\r\ncontent-length: {1}\r\ncontent-type: application/json",
        "content-length: {1}\r\nDate: {0}",
        "Content-Length: {1}",
        "content-length: {1}\r\nx-ratelimit-limit: 1",
        "content-length: {1}\r\ndate: {0}\r\ncontent-encoding: gzip",
        "content-length: {1}\r\nconnection: close\r\ndate: {0}",
        "content-length: {1}\r\ncontent-length: {1}",
        "date: {0}\r\ndate: {0}\r\ncontent-length: {1}",
        "x: content-length: {1}\r\ncontent-length: 2",
        "transfer-encoding: chunked\r\ndate: {0}",
    ]
)
ODD_DATES = st.sampled_from(
    [*DATES, "", DATES[0][:-1], "x" * 29, "Sat, 28 Nov 2026\r\nx: y 8:00 GMT", "\r\n" + DATES[0]]
)
STATUS = st.sampled_from(["200 OK", "200 OK", "500 No", "204 No Content"])


@st.composite
def answers(draw: st.DrawFn) -> list[bytes]:
    """What comes on one connection: most of it alike."""
    form, status = draw(HEADS), draw(STATUS)
    found = []
    for _ in range(draw(st.integers(2, 4))):
        head = form if draw(st.integers(0, 3)) else draw(HEADS)
        text = head.format(draw(ODD_DATES), draw(LENGTHS))
        body = draw(st.sampled_from(["", "a", "ab", "abcdefg", "0\r\n\r\n", "1\r\na\r\n0\r\n\r\n"]))
        raw = f"HTTP/1.1 {status}\r\n{text}\r\n\r\n{body}".encode()
        if not draw(st.integers(0, 5)):
            at = draw(st.integers(0, len(raw)))
            raw = raw[:at] + draw(st.binary(max_size=3)) + raw[at:]
        found.append(raw)
    return found


def _read(reader: ResponseReader, raw: bytes, cuts: list[int]) -> tuple[Any, ...]:
    body, last = b"", 0
    for cut in [*sorted(min(cut, len(raw)) for cut in cuts), len(raw)]:
        if cut > last and reader.outcome is None:
            body += reader.feed(raw[last:cut])
        last = cut
    head = reader.head
    told = head and (
        *(
            head.code,
            head.reason,
            head.start,
            head.lines,
            head.by_name,
            head.pairs(),
            head.framing,
            head.length,
        ),
        *(head.keep_alive, head.content_type, head.content_encoding, head.tells_limits, head.location()),
    )
    return (body, told, str(reader.outcome), reader.reusable, reader.begun, reader.may_continue)


@given(
    several=answers(),
    cuts=st.lists(st.integers(0, 200), max_size=3),
    method=st.sampled_from(["POST", "POST", "HEAD"]),
)
@example([b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab"] * 2, [30], "POST")
def test_any_answer_is_read_as_by_a_new_reader(several: list[bytes], cuts: list[int], method: str) -> None:
    """Whatever has come before on the connection, however the bytes are cut, whatever they are."""
    known: KnownAnswer | None = None
    for raw in several:
        reader = ResponseReader(method, known)
        assert _read(reader, raw, cuts) == _read(ResponseReader(method), raw, cuts)
        if reader.outcome is True:
            known = reader.known


def test_the_usual_answers_are_known() -> None:
    """Another length and another date are no reason to look again; another field is."""
    usual = "HTTP/1.1 200 OK\r\ndate: {}\r\nserver: uvicorn\r\ncontent-length: {}\r\ncontent-type: application/json{}\r\n\r\n"
    first = ResponseReader("POST")
    first.feed(usual.format(DATES[0], 1, "").encode() + b"a")
    assert first.known is not None

    for date, length, more in (DATES[0], 1, ""), (DATES[1], 300, ""), (DATES[2], 7, ""):
        assert first.known.read(usual.format(date, length, more).encode()) is not None
    assert first.known.read(usual.format(DATES[2], 7, "; charset=utf-8").encode()) is None
    assert first.known.read(usual.format(DATES[2], 7, "\r\nx: y").encode()) is None
