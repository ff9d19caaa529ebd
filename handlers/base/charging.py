"""A request on its way through the books: let in when its model is known, noted at each attempt, settled at its very end.

Laws: only where there are keys. What is not told by a vendor is counted by what came. Its face's own headers say what is left. A handler
knows its charge, which does not know the handler: no ring, which would keep all that the request has had for the collector.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from time import perf_counter, time
from typing import Any

from handlers.base.handler import BaseHandler
from handlers.base.limits import ANTHROPIC, OPENAI
from llm_proxy.errors import GatewayError, LimitReached
from llm_proxy.live.access.accounting import Accounting, Charge, Told
from llm_proxy.live.access.cost import tokens_in
from llm_proxy.live.access.limit_headers import (
    Headers,
    Standing,
    anthropic_headers,
    openai_headers,
    openai_told,
)
from llm_proxy.live.access.plan import Plan
from llm_proxy.live.access.reservation import Need, Reservation
from llm_proxy.relay.upstream import Exchange
from llm_proxy.wire.calls import Deployment

#: Where each dialect says how long an answer may be.
_MOST = (
    *("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict", "max_tokens_to_sample"),
    "maxOutputTokens",
)
#: The same, and where others may be said.
_ANY_MOST = frozenset((*_MOST, "generationConfig", "options"))
#: Makes a named tuple without the call of a Python function that its own name is.
_new = tuple.__new__
#: Who asks again the moment its last answer is complete may be a little early, in seconds.
_GRACE = 0.02
#: The beginnings of endpoints, and which face that is.
_FACES = (
    ("/v1/responses", "responses"),
    ("/v1/conversations", "responses"),
    ("/v1/messages", "anthropic"),
    ("/v1beta", "gemini"),
    ("/ollama", "ollama"),
    ("/v1/", "openai"),
)


async def opened(
    handler: BaseHandler, deployment: Deployment, sent: Mapping[str, Any], *, blind: bool = False
) -> Charge:
    """Let the request in. Raises ``GatewayError``."""
    access, grant, books = handler.snapshot.access, handler.grant, handler.gateway.books
    assert access is not None and grant is not None  # noqa: PT018 (each request does)
    plan = books.plan(access, grant, deployment)
    most = None if _ANY_MOST.isdisjoint(sent) else most_of(sent)
    need = books.wanted(plan, handler.tokens, most, blind=blind)
    if books.shared is not None:
        return await together(books, plan, need)
    try:
        return books.begin_here(plan, need)
    except LimitReached as error:
        if not error.running:
            raise
    await asyncio.sleep(_GRACE)
    return books.begin_here(plan, need)


def note(
    handler: BaseHandler,
    charge: Charge,
    deployment: Deployment,
    exchange: Exchange,
    usage: Mapping[str, Any] | None,
    wrote: int,
    *,
    lost: bool = False,
) -> None:
    """One attempt is over; ``lost``: it was made beside another one, and in vain."""
    told = tokens_in(usage) if usage else None
    if told is None:
        head = exchange.head
        sent = exchange.connected_at is not None and (head is None or 200 <= head.status < 300)
    else:
        sent = True
    handler.gateway.books.note(charge, deployment, told, wrote, sent=sent, lost=lost)
    handler.facts["micro_usd"] = charge.micro_usd
    if charge.estimated:
        handler.facts["estimated"] = True


def settled(handler: BaseHandler, charge: Charge) -> None:
    """The request is over."""
    handler.gateway.books.close(charge, partial(_told, handler, charge))


def _told(handler: BaseHandler, charge: Charge) -> Told:
    facts, deployment = handler.facts, charge.deployment
    code = ended_by = None
    if "code" in facts or "ended_by" in facts:
        code, ended_by = facts.get("code"), facts.get("ended_by")
    if deployment is None:
        provider = model = None
    else:
        provider, model = deployment.provider, deployment.model
    return _new(
        Told,
        (
            handler.request_id,
            charge.plan.model,
            provider,
            model,
            face_of(handler.endpoint),
            1 if facts.get("stream") else 0,
            499 if handler.gone else handler.get_status(),
            code,
            ended_by,
            facts.get("first_byte_ms"),
            int((perf_counter() - handler.started) * 100_000 + 0.5) / 100,
            handler.snapshot.version,
            handler.trace,
        ),
    )


async def together(books: Accounting, plan: Plan, need: Need) -> Charge:
    """Let a request in where machines count together, for which it waits no longer because it tries twice. Raises ``GatewayError``."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        return await books.begin(plan, need)
    except LimitReached as error:
        if not error.running:
            raise
    waited = loop.time() - began
    await asyncio.sleep(_GRACE)
    return await books.begin(plan, need, waited)


def most_of(sent: Mapping[str, Any]) -> int | None:
    """How many tokens a request wants at most, as far as it says so."""
    if _ANY_MOST.isdisjoint(sent):
        return None
    for name in _MOST:
        value = sent.get(name)
        if value is not None and type(value) is int and value > 0:
            return value
    config = sent.get("generationConfig") or sent.get("options")
    return most_of(config) if config and isinstance(config, Mapping) else None


@lru_cache(maxsize=256)
def face_of(endpoint: str) -> str:
    """The face that an endpoint belongs to, as the ledger names it."""
    return next((face for start, face in _FACES if endpoint.startswith(start)), "api")


def told_of(taken: Reservation, limits: tuple[str, ...]) -> Headers:
    """What is left after a request was let in, in the headers of the dialect whose own begin with ``limits``."""
    return openai_told(taken) if limits is OPENAI else told(taken.standing, limits)


def told(standing: Sequence[Standing], limits: tuple[str, ...]) -> Headers:
    """The same of what stands there."""
    if limits is OPENAI:
        return openai_headers(standing)
    if limits is ANTHROPIC:
        return anthropic_headers(standing, time())
    return {}


def refused(error: GatewayError, limits: tuple[str, ...]) -> None:
    """Let a refusal say the same."""
    if isinstance(error, LimitReached):
        error.headers += tuple(told(error.standing, limits).items())
