"""What an upstream's answer consists of, in the canonical dialect: the values between adapters, relay and faces.

Laws: a stream is any number of ``Chunk`` and ``Comment``, then exactly one ``Done`` or ``Failed``. Equal content is
equal. What came in a dialect that the client speaks as well carries the very bytes that it came in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from llm_proxy.errors import GatewayError


class Chunk(NamedTuple):
    """One ``chat.completion.chunk``. ``raw`` is the upstream's own event, its end included, if the upstream spoke the
    canonical dialect or was asked in the face's own: a face of the same dialect relays exactly these bytes, and in the
    latter case ``data`` holds no more than ``usage``. (A tuple, because it is made for each token: a frozen dataclass
    takes three times as long.)"""

    data: dict[str, Any]
    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class Comment:
    """An SSE comment of the upstream; not an event, so no limit is re-armed by it."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """The upstream's own terminator was seen: the answer is complete. ``raw``: its bytes, as those of ``Chunk``."""

    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The stream is broken or the upstream reported an error; always the last event."""

    error: GatewayError


Event = Chunk | Comment | Done | Failed


@dataclass(frozen=True, slots=True)
class ChatResponse:
    """A whole ``chat.completion``. ``raw`` is the upstream's own body if its dialect is that of the face; ``data`` then
    holds at least what the log wants to know: ``usage``, and the finish reason of the first choice."""

    data: dict[str, Any]
    raw: bytes | None = None
