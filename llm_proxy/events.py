"""What an upstream's answer consists of, in the canonical dialect: the values between adapters, relay and faces.

Laws: a stream is any number of ``Chunk`` and ``Comment``, then exactly one ``Done`` or ``Failed``. Equal content is
equal. A ``Chunk`` that came in the canonical dialect carries the very bytes that it came in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from llm_proxy.errors import GatewayError


class Chunk(NamedTuple):
    """One ``chat.completion.chunk``. ``raw`` is the upstream's own SSE event, blank line included, if it spoke SSE
    in the canonical dialect: a face of the same dialect relays exactly these bytes. (A tuple, because it is made for
    each token: a frozen dataclass takes three times as long.)"""

    data: dict[str, Any]
    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class Comment:
    """An SSE comment of the upstream; not an event, so no limit is re-armed by it."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """The upstream's own terminator was seen: the answer is complete."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The stream is broken or the upstream reported an error; always the last event."""

    error: GatewayError


Event = Chunk | Comment | Done | Failed


@dataclass(frozen=True, slots=True)
class ChatResponse:
    """A whole ``chat.completion``. ``raw`` is the upstream's own body if its dialect is the canonical one."""

    data: dict[str, Any]
    raw: bytes | None = None
