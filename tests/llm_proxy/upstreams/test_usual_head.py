"""The short way through the head of an upstream's answer gives what the long one gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.net.faults import ProtocolError
from llm_proxy.upstreams.response_head import ResponseHead

NAMES = st.sampled_from(
    ["Content-Length", "content-length", "Transfer-Encoding", "Connection", "Content-Encoding", "X-A", "x-a"]
)
VALUES = st.sampled_from(["", "0", "12", " 7 ", "+1", "9" * 19, "chunked", "close", "Keep-Alive", "gzip"])


def _read(raw: bytes, code: int, method: str) -> tuple[object, ...]:
    try:
        head = ResponseHead(raw, code, method)
    except ProtocolError as error:
        return (str(error),)
    return (
        head.framing, head.length, head.keep_alive, head.content_encoding, head.pairs(),
        {name.lower(): value for name, value in head.pairs()} == head.by_name,
    )  # fmt: skip


@given(
    fields=st.lists(st.tuples(NAMES, VALUES), max_size=5),
    version=st.sampled_from(["1.1", "1.0"]),
    code=st.sampled_from([200, 204, 304, 500]),
    method=st.sampled_from(["POST", "HEAD"]),
)
def test_both_ways_are_one(fields: list[tuple[str, str]], version: str, code: int, method: str) -> None:
    """Whatever the fields are, in whatever number."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    raw = f"HTTP/{version} {code} OK\r\n{lines}\r\n".encode()
    with pytest.MonkeyPatch.context() as patch:
        found = _read(raw, code, method)
        patch.setattr(ResponseHead, "_is_usual", lambda self, fields: False)
        assert found == _read(raw, code, method)
