"""The short way to a request's framing gives what the long one gives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.clients.request_reader import _framing, _Refused, _usual_framing

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
