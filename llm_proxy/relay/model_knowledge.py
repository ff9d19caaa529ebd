"""What upstreams say of their models, asked when somebody wants to know, and what they were found to refuse.

Laws: it is asked beside the answers, never in a request for one (``abilities`` says when); an upstream that does not say, or not soon, is no fault of
anybody's; a call to one upstream is made once at a time. What was learned is kept for some minutes by the identity of the
upstream, so that an edit forgets it, and bounded. One ``Knowledge`` for each process.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from time import monotonic

from llm_proxy.errors import GatewayError
from llm_proxy.relay.clock import Clock
from llm_proxy.relay.reading import await_head, read_whole, refuse_errors
from llm_proxy.relay.upstream import UpstreamClient
from llm_proxy.wire.calls import Deployment, HttpCall, Timeouts
from providers.base import BaseProvider
from providers.common.about import About, by_name

#: Seconds that an answer is good for, and that a silence is.
_FRESH, _SILENT = 600.0, 60.0
#: How long one call may take, and the largest answer (OpenRouter's list has a megabyte).
_LIMITS = Timeouts(connect=1.5, first_byte=2.0, idle=2.0, total=2.0)
_MAX_ANSWER = 8 * 1024 * 1024
#: Upstreams and models that are remembered.
_MOST = 1000
#: Above this size an answer is read beside the loop.
_OFF_LOOP = 64 * 1024

_Models = Mapping[str, About]


class Knowledge:
    """See the module."""

    def __init__(self, upstream: UpstreamClient) -> None:
        self._upstream = upstream
        #: By upstream and address: until when it is good, and what was said of each model.
        self._said: OrderedDict[tuple[str, str], tuple[float, _Models]] = OrderedDict()
        self._asking: dict[tuple[str, str], asyncio.Lock] = {}
        #: Upstreams and models that refuse to think.
        self._refuses: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def about(self, deployment: Deployment, adapter: BaseProvider) -> About:
        """All that can be known of its model. Never fails."""
        for call in adapter.about_calls(deployment):
            await self._ask(deployment, call, adapter)
        return self.known(deployment, adapter)

    def may_ask(self, deployment: Deployment, adapter: BaseProvider) -> bool:
        """Whether there is anybody to ask about its model who was not asked lately."""
        identity = deployment.identity
        return any(
            not self._is_fresh(_key(identity, deployment, call)) for call in adapter.about_calls(deployment)
        )

    def known(self, deployment: Deployment, adapter: BaseProvider) -> About:
        """What is known of its model without asking anybody."""
        about = About.of(deployment.capabilities) if deployment.capabilities is not None else About()
        identity = deployment.identity
        if (identity, deployment.model) in self._refuses:
            about = about.over(About(thinking=False))
        for call in adapter.about_calls(deployment):
            said = self._said.get(_key(identity, deployment, call))
            if said is not None and deployment.model in said[1]:
                about = about.over(said[1][deployment.model])
        return about.over(by_name(deployment.model))

    def heard(self, deployment: Deployment, call: HttpCall, body: bytes, adapter: BaseProvider) -> None:
        """Take in the answer to ``call`` that somebody else has asked for, if it is one that says something of models."""
        if call.url in {known.url for known in adapter.about_calls(deployment) if not known.body}:
            self._keep(_key(deployment.identity, deployment, call), adapter.about(body, deployment))

    def thinks_not(self, deployment: Deployment, adapter: BaseProvider) -> bool:
        """Whether its model is known not to think; a name alone never says that."""
        return self.known(deployment, adapter).thinking is False

    def refused_thinking(self, deployment: Deployment) -> None:
        """Remember that its upstream says so."""
        self._refuses[deployment.identity, deployment.model] = None
        if len(self._refuses) > _MOST:
            self._refuses.popitem(last=False)

    async def _ask(self, deployment: Deployment, call: HttpCall, adapter: BaseProvider) -> None:
        key = _key(deployment.identity, deployment, call)
        if self._is_fresh(key):
            return
        lock = self._asking.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                if not self._is_fresh(key):
                    await self._fetch(key, deployment, call, adapter)
        finally:
            if not lock.locked():
                self._asking.pop(key, None)

    def _is_fresh(self, key: tuple[str, str]) -> bool:
        said = self._said.get(key)
        return said is not None and monotonic() < said[0]

    async def _fetch(
        self, key: tuple[str, str], deployment: Deployment, call: HttpCall, adapter: BaseProvider
    ) -> None:
        loop = asyncio.get_running_loop()
        models: _Models = {}
        try:
            async with self._upstream.exchange(call._replace(timeouts=_LIMITS), deployment) as exchange:
                clock = Clock(exchange, _LIMITS)
                head = await await_head(exchange, clock)
                await refuse_errors(exchange, adapter, head, clock)
                body = await read_whole(exchange, clock, _MAX_ANSWER)
            if len(body) < _OFF_LOOP:
                models = adapter.about(body, deployment)
            else:
                models = await loop.run_in_executor(None, adapter.about, body, deployment)
        except GatewayError:
            pass
        self._keep(key, models)

    def _keep(self, key: tuple[str, str], models: _Models) -> None:
        self._said[key] = (monotonic() + (_FRESH if models else _SILENT), models)
        self._said.move_to_end(key)
        if len(self._said) > _MOST:
            self._said.popitem(last=False)


def _key(identity: str, deployment: Deployment, call: HttpCall) -> tuple[str, str]:
    """What an answer is kept by: a call with a body is about one model."""
    return identity, f"{call.url} {deployment.model}" if call.body else call.url
