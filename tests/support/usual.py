"""How the tests ask a decoder for what it recognises."""

from __future__ import annotations

from providers.base import StreamDecoder


def recognised(decoder: StreamDecoder, data: bytes) -> int:
    """How many chunks ``data`` is, if it is nothing but usual ones: then they are told as relayed, and not fed. Else 0."""
    count, size = decoder.leading(data)
    if not count or size != len(data):
        return 0
    if count == 1:
        assert decoder.usual(data)
    else:
        decoder.passed(count)
    return count
