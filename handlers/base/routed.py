"""A request whose model has several upstreams, or one about which more is configured: attempt after attempt until one
answers. Whom to ask and what may be hidden is ``llm_proxy.relay.attempts``'s to say.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from handlers.base.hedged import Race
from handlers.base.prepared import Prepare
from handlers.base.redaction import conceal
from llm_proxy.errors import GatewayError, RequestError
from llm_proxy.live.config.catalog import Resolved
from llm_proxy.relay.attempts import Attempts
from llm_proxy.routing.affinity import Prompt, affinity_of
from llm_proxy.routing.outcomes import Outcome, judge
from llm_proxy.wire.calls import Deployment

if TYPE_CHECKING:
    from handlers.base.answering import AnsweringHandler


async def carry_on(
    handler: AnsweringHandler,
    tries: Attempts,
    once: Callable[[Deployment], Awaitable[None]],
    failed: GatewayError | None = None,
    prepare: Prepare | None = None,
) -> None:
    """Ask ``once`` after ``once`` until an answer is on its way. ``failed``: what the first attempt ended in, if there was one;
    ``prepare``: what ``once`` asks, where two may be asked at a time. Raises the ``GatewayError`` that is to be told."""
    running = handler.gateway.running
    race: Race | None = None
    #: What the gateway itself has done so far: neither waiting for an upstream nor a failed attempt's answer is its own work.
    own = _own_seconds(handler)
    try:
        while True:
            error, failed = failed, None
            if error is None:
                running.add(handler)  # so that whoever stops the process ends the waiting too
                deployment = await tries.next()
                handler.body_at = perf_counter() - own
                if prepare is not None and (after := tries.hedge_after()) is not None:
                    race = tries.race = Race(handler, tries, prepare, after)
                error = await _tried(once, deployment)
            if error is not None and race is not None and race.runs:
                if not race.won:
                    conceal(error, deployment)
                    if handler.gone or not tries.failed(error, spare=True):
                        raise tries.verdict(error)
                    race.take_over()
                running.add(handler)
                error = await race.outcome()
            if error is None:
                return
            if tries.upstream is not None:
                conceal(error, tries.upstream)
            if handler.gone or not tries.failed(error):
                broken = await _gone_on(handler, tries, error)
                if broken is None:
                    return
                raise tries.verdict(broken)
            if race is not None:
                await race.end()
                race = tries.race = None
            handler.begin_anew()
            own = _own_seconds(handler)
    finally:
        if race is not None:
            await race.end()
        running.discard(handler)


def _own_seconds(handler: AnsweringHandler) -> float:
    return perf_counter() - handler.body_at if handler.tally is None else handler.tally.own_seconds


def close(handler: AnsweringHandler, tries: Attempts) -> None:
    """The request is over, however it ended."""
    if tries.done and tries.usual:
        return
    tries.close()
    if tries.queued is not None or tries.affinity is not None:
        handler.facts |= tries.facts()


async def _gone_on(handler: AnsweringHandler, tries: Attempts, error: GatewayError) -> GatewayError | None:
    """Let another upstream go on with an answer that broke off in ``error``, if it may be; what is to be told, if it is
    not. Raises what is to be told if it was asked and could not: what it says of our question, which the client has not asked, is
    no news of the client's request."""
    answer = handler.begun_answer
    if answer is None or handler.gone or not tries.committed or not answer.continuity.possible:
        return error
    deployment = tries.next_part(error)
    if deployment is None:
        return error
    failed = await _tried(partial(handler.go_on, answer), deployment)
    if failed is None:
        return None
    conceal(failed, deployment)
    tries.failed(failed)
    raise error if isinstance(failed, RequestError) or judge(failed) != Outcome() else failed


async def _tried(
    once: Callable[[Deployment], Awaitable[None]], deployment: Deployment
) -> GatewayError | None:
    """What an attempt ended in, if it failed."""
    try:
        await once(deployment)
    except GatewayError as error:
        return error
    return None


def wanted_prompt(
    resolved: Resolved, headers: Mapping[str, str], body: Mapping[str, Any], size: int
) -> Prompt | None:
    """What affinity goes by, if the model has any; ``size``: of the body, in bytes."""
    session = headers.get("X-Session-Id", "")
    return affinity_of(resolved.policy, resolved.name, resolved.deployments, session, body, size)
