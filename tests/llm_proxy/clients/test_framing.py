"""The short way to a request's framing gives what the long one gives."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.clients.request_reader import RequestReader, _framing, _Refused, _usual_framing

NAMES = st.sampled_from(
    ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Expect", "EXPECT", "Accept"]
)
VALUES = st.sampled_from(
    [
        "",
        "0",
        "7",
        "12",
        "+1",
        "１",
        "9" * 18,
        "9" * 19,
        "chunked",
        "close",
        "Keep-Alive",
        "100-continue",
        "a, close",
    ]
)


@given(
    fields=st.lists(st.tuples(NAMES, VALUES), max_size=6, unique_by=lambda pair: pair[0].lower()),
    version=st.sampled_from(["1.1", "1.0"]),
)
def test_both_ways_are_one(fields: list[tuple[str, str]], version: str) -> None:
    """For every request whose fields have a name each; what is refused is left to the long way."""
    found = _usual_framing({name.lower(): value for name, value in fields})
    try:
        asked = _framing(fields, version)
    except _Refused:
        asked = None

    assert found is None or found == asked
    if found is None and asked is not None:
        names = {name.lower() for name, _ in fields}
        assert "host" not in names or names & {"transfer-encoding", "expect"}


LINES = st.sampled_from(
    [
        "Host: a", "host: b", "Content-Length: 0", "content-length: 7", "Content-Length: 12 ", "Content-Length:12",
        "Content-Length: 0012", "Content-Length: 99999999999999999999", "Content-Length: +1", "X-Content-Length: 7",
        "Transfer-Encoding: chunked", "Connection: close", "Expect: 100-continue", "A: \xe9",
    ]
)  # fmt: skip
START = st.sampled_from(
    ["POST / HTTP/1.1", "POST /Content-Length:%207 HTTP/1.1", "GET / HTTP/1.0", "POST / HTTP/1.7"]
)
HEADS = st.tuples(START, st.lists(LINES, max_size=4))


def _state(reader: RequestReader, raw: bytes) -> tuple[object, ...]:
    body = reader.feed(raw)
    return body, reader.head, reader.complete, reader.fault, reader.rest


@given(heads=st.lists(HEADS, min_size=2, max_size=4), changed=st.lists(st.integers(0, 10**19), max_size=4))
def test_a_head_like_the_last_is_read_as_any_other(
    heads: list[tuple[str, list[str]]], changed: list[int]
) -> None:
    """What is known of a connection's last head changes nothing in how the next is read, whatever both are."""
    texts = ["\r\n".join([start, *lines, "", ""]) for start, lines in heads]
    texts += [re.sub(r"(?<=ength: )\d+", str(number), texts[0]) for number in changed]
    known = None
    for text in texts:
        raw = text.encode("latin-1") + b"body"
        reader = RequestReader(known)
        assert _state(reader, raw) == _state(RequestReader(), raw)
        known = reader.known
    last = RequestReader(known)
    assert _state(last, texts[-1].encode("latin-1")) == _state(RequestReader(), texts[-1].encode("latin-1"))
