"""What a request and its calls were like, told to the meter: once for each call, once at the end of the request.

Laws: labels are names of the configuration, or ``unknown``; what a client has chosen never becomes one. Nothing here
raises, and nothing is told for a token.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from llm_proxy.errors import (
    BudgetSpent,
    ClientGone,
    GatewayError,
    LimitReached,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from llm_proxy.live.state.snapshot import Snapshot
from llm_proxy.relay.attempts import Lost
from llm_proxy.relay.tally import Tally
from llm_proxy.relay.upstream import Exchange
from llm_proxy.telemetry.metrics import families

if TYPE_CHECKING:
    from handlers.base.telling import TellingHandler

#: The model of a request for one that is not configured.
UNKNOWN = "unknown"


def measure_call(handler: TellingHandler, exchange: Exchange, provider: str) -> None:
    """``exchange``, a call of ``provider``, is over."""
    meter = handler.gateway.metering.meter
    meter.attempt(provider, outcome_of(exchange))
    if exchange.connected_at is not None:
        meter.connect.observe(exchange.connected_at - exchange.started_at, exchange.connected_at)


def measure_refusal(handler: TellingHandler, error: GatewayError) -> None:
    """A limit or a budget has refused the request."""
    kind = (
        "budget"
        if isinstance(error, BudgetSpent)
        else "limit"
        if isinstance(error, LimitReached)
        else error.code
    )
    handler.gateway.metering.meter.add(families.REFUSALS, 1.0, handler.facts.get("team") or "", kind)


def outcome_of(exchange: Exchange) -> str:
    """What became of a call, in a word."""
    failure, head = exchange.failure, exchange.head
    if failure is None and head is not None and 200 <= head.status < 400:
        return "ok"
    if isinstance(failure, ClientGone | Lost):
        return "aborted"
    if isinstance(failure, UpstreamTimeout):
        return "timeout"
    if head is None:
        return "unreachable" if isinstance(failure, UpstreamUnreachable) else "broken"
    if 200 <= head.status < 400:
        return "ok" if exchange.ended else "broken"
    return _STATUSES.get(head.status, "refused" if head.status < 500 else "error")


_STATUSES = {401: "auth", 403: "auth", 408: "timeout", 429: "rate_limit"}


def measure(handler: TellingHandler, tally: Tally | None, status: int, ended: float, seconds: float) -> None:
    """The request has ended with ``status``, ``seconds`` after it began; ``ended`` is monotonic."""
    facts = handler.facts
    asked: str | None = facts.get("model")
    provider: str = facts.get("provider") or ""
    if asked is None and not provider:
        return  # it named neither
    model = "" if asked is None else asked
    if asked is not None and asked not in handler.snapshot.models:
        row = handler.upstream  # of a pattern's, or behind ``provider/model``
        model = UNKNOWN if row is None else label_of(handler.snapshot, row.name)
    meter, trace = handler.gateway.metering.meter, handler.trace
    served = meter.request(handler.dialect, model, provider, status, ended, seconds, trace)
    if tally is not None:
        if facts.get("stream") and (first := tally.first_event_at) is not None:
            meter.streamed(served, first - handler.started, _between_tokens(tally, first), ended, trace)
        if tally.usage:
            meter.tokens(served, tally.usage, ended)
        own = tally.own_seconds - handler.client_seconds
        meter.overhead(handler.dialect, max(0.0, own), ended)
    if "micro_usd" in facts and (cost := facts["micro_usd"]) is not None:
        meter.cost(cost, model, facts.get("team") or "", ended)
    if "queued_ms" in facts and (queued := facts["queued_ms"]) is not None:
        meter.observe(families.QUEUE_SECONDS, queued / 1000, model)


def known_models(snapshot: Snapshot) -> Iterator[str]:
    """Every name that a model may go by in a label, beside ``unknown`` and ``other``."""
    yield from snapshot.models
    yield from snapshot.config.names.aliases
    for row in snapshot.config.deployments:
        yield row.name


def label_of(snapshot: Snapshot, name: str) -> str:
    """The name of the configuration by which a model is found that goes by ``name``: its own, or a pattern."""
    return name if name in snapshot.models else snapshot.catalog.pattern_of(name) or UNKNOWN


def _between_tokens(tally: Tally, first: float) -> float | None:
    """Seconds between two tokens, on average: of those that the upstream has counted, else of its events."""
    last = tally.last_event_at
    if last is None or last <= first:
        return None
    counted: Any = tally.usage.get("completion_tokens")
    tokens = counted if type(counted) is int and counted > 1 else tally.events
    return (last - first) / (tokens - 1) if tokens > 1 else None
