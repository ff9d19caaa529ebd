"""The requests of this process that run now, as rows for the console, and how one of them is stopped.

Laws: nothing is done for it while nobody looks: what there is to see is then read off the handlers. A stopped request gives its
upstream back at once, and its client is told who has ended it.
"""

from __future__ import annotations

import asyncio
import os
from time import perf_counter
from typing import Any

from handlers.base.charging import face_of
from handlers.base.delivering import DeliveringHandler
from handlers.base.gateway import Gateway
from llm_proxy.console.console import CLOCK
from llm_proxy.errors import StoppedByOperator
from llm_proxy.live.access.secrets import redacted

#: Characters of what a client says of itself.
_SHOWN = 200
#: Seconds from the first token to the last below which a speed says nothing: several tokens may come in one piece.
_APART = 0.05
#: How long a stopped request may take to end, and how often it is looked at, in seconds.
_PATIENCE, _LOOK = 2.0, 0.002


def running(gateway: Gateway) -> list[dict[str, Any]]:
    """All of them."""
    return [_row(gateway, handler) for handler in gateway.running if isinstance(handler, DeliveringHandler)]


def _uid(gateway: Gateway, handler: DeliveringHandler) -> str:
    """A client may choose the same id for several requests, but not this."""
    console = gateway.console
    return f"{console.row if console is not None else 0}-{id(handler):x}"


def _row(gateway: Gateway, handler: DeliveringHandler) -> dict[str, Any]:
    """What is to be seen of one: what never changes is written once, and kept with the request."""
    row = handler.shown
    if row is None:
        row = handler.shown = _first(gateway, handler)
    facts, progress, now = handler.facts, handler.progress, perf_counter()
    tokens = None
    if progress is not None:
        tokens = progress.events
        first = progress.first_event_at
        if first is not None:
            if row["first_token_ms"] is None or tokens <= 1:
                row["first_token_ms"] = round((first - handler.started) * 1000, 2)
            last = progress.last_event_at
            if tokens > 1 and last is not None and last - first > _APART and tokens != row["tokens"]:
                row["tokens_per_second"] = round((tokens - 1) / (last - first), 2)
    row["tokens"] = tokens
    exchange = handler.exchange
    asked = exchange is not None and not exchange.over
    if handler in gateway.drained:
        row["state"] = "drained"
    elif tokens:
        row["state"] = "streaming"
    else:
        row["state"] = "asked" if asked else "waiting"
    row["attempts"] = handler.calls + asked
    row["age_ms"] = round((now - handler.started) * 1000)
    if row["provider"] != facts.get("provider"):
        row["provider"] = facts.get("provider")
        row["upstream_model"] = facts.get("upstream_model")
    row["stream"] = bool(facts.get("stream"))
    return row


def _first(gateway: Gateway, handler: DeliveringHandler) -> dict[str, Any]:
    facts = handler.facts
    return {
        "uid": _uid(gateway, handler),
        "id": handler.request_id,
        "started_at": round(CLOCK + handler.started, 3),
        "age_ms": 0,
        "model": _text(facts.get("model")),
        "provider": facts.get("provider"),
        "upstream_model": facts.get("upstream_model"),
        "face": face_of(handler.endpoint),
        "endpoint": handler.endpoint,
        "stream": False,
        "state": "waiting",
        "tokens": None,
        "first_token_ms": None,
        "tokens_per_second": None,
        "client": handler.verdict.asked.client if handler.verdict else handler.request.remote_ip,
        "user_agent": _text(handler.request.headers.get("User-Agent")),
        "key": facts.get("key"),
        "team": facts.get("team") or None,
        "attempts": 0,
        "worker": os.getpid(),
    }


def _text(text: str | None) -> str | None:
    return redacted(text[:_SHOWN]) if text else None


async def stop(gateway: Gateway, wanted: str) -> list[dict[str, Any]]:
    """End the requests of this process with that id; what became of each."""
    found = [
        handler
        for handler in gateway.running
        if isinstance(handler, DeliveringHandler) and wanted in (handler.request_id, _uid(gateway, handler))
    ]
    return list(await asyncio.gather(*(_stop(gateway, handler) for handler in found)))


async def _stop(gateway: Gateway, handler: DeliveringHandler) -> dict[str, Any]:
    began = perf_counter()
    exchange = handler.exchange
    if exchange is None or not exchange.over:
        handler.facts["ended_by"] = "operator"
    told = {"id": handler.request_id, "uid": _uid(gateway, handler), "worker": os.getpid()}
    handler.abort(StoppedByOperator("an operator of the gateway has stopped this request"))
    while handler in gateway.running and perf_counter() - began < _PATIENCE:
        if exchange is not None and exchange.over:
            break
        await asyncio.sleep(_LOOK)
    return told | {"released_ms": round((perf_counter() - began) * 1000, 3)}
