"""Bytes of the canonical dialect for a client that speaks it: what has to be decoded is, the usual tokens are not.

Laws: the events and the bytes are those that decoding everything would give, but that nobody can see what is in a usual
token; nothing is held back that decoding would not hold back. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from llm_proxy.errors import UpstreamError
from llm_proxy.faces.face import Face
from llm_proxy.wire.events import Chunk, Done, Event, Failed
from providers.base import StreamDecoder

T = TypeVar("T")

#: What a usual token is for the counts.
CHUNK = Chunk({})
#: How many events of one piece are decoded alone, so that those that follow may be usual: the first two or three of an answer
#: are not, nor are the last ones. If there are more, it is a stream of another kind.
_ALONE = 4
#: So few events are decoded as soon as one of them has to be.
_FEW = 4


def passed_on(decoder: StreamDecoder, face: Face, data: bytes) -> tuple[Sequence[Event], bytes]:
    """The events that ``data`` completes, and what is written for them, but for a ``Done`` or a ``Failed``, which is the last
    then. Raises ``UpstreamError`` as ``expressed`` does."""
    events: list[Event] = []
    said: list[bytes] = []
    alone = _ALONE
    while data:
        count, size = decoder.leading(data)
        if count:
            usual = data[:size]
            plain = usual if face.retold is None else face.retold(usual, count)
            if plain:
                decoder.passed(count)
                events += (CHUNK,) * count
                said.append(plain)
                data = data[size:]
                continue
            # Not enough is known of where the model's name stands in them.
        if alone and data.count(b"\n\n") > _FEW:
            alone -= 1
            end = data.find(b"\n\n") + 2
            piece, data = (data[:end], data[end:]) if end > 1 else (data, b"")
        else:
            piece, data = data, b""
        found = decoder.feed(piece)
        if not found:
            continue
        events += found
        ends = type(found[-1]) is Done or type(found[-1]) is Failed
        # What does not end it is a chunk or a comment.
        said.append(expressed(face.events, found[:-1] if ends else found))  # type: ignore[arg-type]
        if ends:
            break
    return events, b"".join(said)


def expressed(write: Callable[[T], bytes], said: T) -> bytes:
    """What a face writes for ``said``. Raises ``UpstreamError`` if it cannot: ``1e999`` is legal JSON, and is read as
    infinity, which is not. (A face of the upstream's own dialect does not look into it.)"""
    try:
        return write(said)
    except ValueError as error:
        text = "the upstream's answer holds a value that JSON cannot express"
        raise UpstreamError(text, phase="body", kind="event") from error
