"""A request whose model has several upstreams, or one about which more is configured: attempt after attempt until one
answers. Whom to ask and what may be hidden is ``llm_proxy.relay.attempts``'s to say.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from handlers.base.redaction import conceal
from llm_proxy.errors import GatewayError
from llm_proxy.live.config.catalog import Resolved
from llm_proxy.relay.attempts import Attempts
from llm_proxy.routing.affinity import BLOCK, MOST_BLOCKS, Prompt, prompt_of, session_in
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.prompt_text import opening_of

if TYPE_CHECKING:
    from handlers.base.answering import AnsweringHandler


async def carry_out(
    handler: AnsweringHandler, tries: Attempts, once: Callable[[Deployment], Awaitable[None]]
) -> None:
    """Ask ``once`` after ``once`` until an answer is on its way. Raises the ``GatewayError`` that is to be told."""
    handler.tries = tries
    running = handler.gateway.running
    try:
        while True:
            running.add(handler)  # so that whoever stops the process ends the waiting too
            deployment = await tries.next()
            try:
                await once(deployment)
                return
            except GatewayError as error:
                conceal(error, deployment)
                if handler.gone or not tries.failed(error):
                    raise tries.verdict(error) from None
            handler.begin_anew()
    finally:
        tries.close()
        running.discard(handler)
        handler.facts |= tries.facts()


def wanted_prompt(resolved: Resolved, headers: Mapping[str, str], body: Mapping[str, Any]) -> Prompt | None:
    """What affinity goes by, if the model has any."""
    policy = resolved.policy.affinity
    if policy == "off" or len(resolved.deployments) < 2 or not body:
        return None
    session = session_in(headers.get("X-Session-Id", ""), body)
    opening = opening_of(body, BLOCK * MOST_BLOCKS) if policy == "auto" else None
    return prompt_of(resolved.name, opening, session)
