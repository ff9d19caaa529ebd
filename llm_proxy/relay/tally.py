"""What the log, the metrics and the console want to know about one answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import Any


@dataclass(slots=True)
class Tally:
    """Filled in while it runs. Times are ``perf_counter`` seconds."""

    first_event_at: float | None = None
    last_event_at: float | None = None
    events: int = 0
    usage: dict[str, Any] = field(default_factory=dict)
    #: The upstream streamed although it was not asked to, or the reverse.
    other_form: bool = False
    finish_reason: str | None = None
    #: Seconds of the gateway's own work: reading the request, decoding, encoding, writing. A slow client's are in it.
    own_seconds: float = 0.0

    def chunk(self, data: dict[str, Any]) -> None:
        """Count one chunk."""
        self.events += 1
        usage = data.get("usage")
        if usage:
            self.usage = usage

    def whole(self, data: dict[str, Any], began: float) -> None:
        """Count an answer that came whole, with which the work began at ``began``."""
        self.first_event_at = began
        self.chunk(data)
        choices = data.get("choices") or [{}]
        self.finish_reason = choices[0].get("finish_reason")
        self.own_seconds += perf_counter() - began
