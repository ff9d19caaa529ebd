"""The seam between a connection and the request that it carries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from llm_proxy.upstreams.response_head import ResponseHead

#: Takes body bytes; an awaitable as its result means: nothing more until that is done.
Sink = Callable[[bytes], object]


class ResponseDelegate(Protocol):
    """What a connection tells the request that it carries. After ``on_end`` or ``on_fault`` nothing follows."""

    def on_head(self, head: ResponseHead) -> Sink:
        """The answer's head; returns where the body goes. May raise what should end the request."""

    def on_end(self, reusable: bool) -> None:
        """The answer is complete; ``reusable`` says whether the connection may carry another request."""

    def on_fault(self, error: Exception) -> None:
        """There will be no complete answer; the connection is closed."""
