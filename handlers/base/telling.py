"""What is told of an answer beside its body: headers that say who answered and what was lost on the way, and the figures for
the access line, the metrics and the books.

Laws: a header is printable and of bounded length, whatever an upstream or a client wrote; the figures are complete before the
answer is finished.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import perf_counter
from typing import Any, ClassVar

from handlers.base.charging import note, told_of
from handlers.base.gateway import Gateway
from handlers.base.handler import BaseHandler, log
from handlers.base.limits import OPENAI, limits_in
from handlers.base.measuring import measure, measure_call
from handlers.base.prepared import UsedPrompt
from handlers.base.tracing import call_ends
from llm_proxy.errors import GatewayError, and_more
from llm_proxy.live.access.accounting import Charge
from llm_proxy.relay.attempt_words import header_text, words
from llm_proxy.relay.attempts import Attempts
from llm_proxy.relay.tally import Tally
from llm_proxy.relay.upstream import Exchange
from llm_proxy.wire.calls import Deployment

#: How many characters the names of what was dropped may take.
_NAMES = 1000


class TellingHandler(BaseHandler):
    """What an answer's headers and figures are made of."""

    remembered = True

    __slots__ = ("_drain_timer", "_left_at", "account", "calls", "client_seconds", "exchange", "tries")

    exchange: Exchange | None
    #: What the books say of it, where there are keys.
    account: Charge | None
    #: The attempts at several upstreams; None where there is one and nothing else is configured.
    tries: Attempts | None
    #: What headers about limits begin with in the endpoint's dialect.
    limits: ClassVar[tuple[str, ...]] = OPENAI
    #: Whom it is asked of.
    upstream: Deployment | None = None
    #: When the client was found gone (``perf_counter`` seconds).
    _left_at: float | None
    _drain_timer: asyncio.TimerHandle | None
    #: Seconds spent waiting for a slow client.
    client_seconds: float
    #: The figures of the answer that is on its way.
    progress: Tally | None = None
    #: The answer's figures, once it is over; and how many calls were made for it.
    tally: Tally | None = None
    calls: int

    def initialize(self, gateway: Gateway) -> None:
        self.exchange = self.account = self.tries = self._left_at = self._drain_timer = None
        self.calls, self.client_seconds = 0, 0.0
        super().initialize(gateway)

    def _tell_limits(self, *, failed: bool = False) -> None:
        """What the upstream has said of its limits; nothing if it has not answered yet."""
        head = self.exchange.head if self.exchange is not None else None
        if head is not None and (failed or head.read.tells_limits):  # most upstreams say nothing
            for name, value in limits_in(head.headers, self.limits, failed=failed):
                self.set_header(name, value)
        if self.account is not None:
            taken = self.account.taken
            if taken.plan.bounds:
                self.answer_headers.put_all(told_of(taken, self.limits))
            if taken.warning is not None:
                self.set_header("X-LLM-Budget", header_text(f"{taken.warning[0]} {taken.warning[1]}%"))

    def _tell_attempts(self, error: GatewayError | None = None) -> None:
        """Who was asked, and what came of it; at the end ``error``, if so."""
        exchange, upstream, tries = self.exchange, self.upstream, self.tries
        if tries is not None and not tries.usual:
            text = tries.told()
            if tries.queued is not None or tries.affinity is not None:
                self.facts |= tries.facts()
            if tries.fallback:
                self.answer_headers.put("X-Llm-Fallback", header_text.__wrapped__(tries.fallback[:_NAMES]))
        elif exchange is not None and upstream is not None and (exchange.head or error) is not None:
            head = exchange.head
            text = words(
                upstream.provider,
                None if head is None else head.status,
                error,
                exchange.loop.time() - exchange.started_at,
            )
        else:
            return
        if text:
            self.answer_headers.put("X-Llm-Attempts", text)

    def say_who(
        self,
        deployment: Deployment,
        dropped: tuple[str, ...],
        prompt: UsedPrompt | None,
    ) -> None:
        self.upstream = deployment
        provider, model, facts = deployment.provider, deployment.model, self.facts
        self.answer_headers.put_all(
            {"X-Llm-Provider": header_text(provider), "X-Llm-Model": header_text(model)}
        )
        facts["provider"], facts["upstream_model"] = provider, model
        if prompt is not None:
            self.answer_headers.put("X-Prompt", header_text(f"{prompt.ref}, {prompt.language}"))
            self.facts.update(prompt=prompt.ref, language=prompt.language)
        if dropped:
            dropped = _few(dropped)
            self.answer_headers.put("X-Dropped-Params", header_text.__wrapped__(", ".join(dropped)))
            self.facts["dropped"] = list(dropped)
            log.info(
                "parameters dropped",
                extra={"params": list(dropped), "provider": deployment.provider},
            )

    def measured(self, status: int, ended: float, seconds: float) -> None:
        measure(self, self.tally, status, ended, seconds)

    def count(
        self,
        tally: Tally,
        exchange: Exchange,
        deployment: Deployment,
        usage: Mapping[str, Any] | None = None,
    ) -> None:
        """The figures of an answer that came from another upstream than was asked first. ``usage``: what that upstream itself has
        told, where its client hears of more."""
        self._count(tally)
        self._count_call(exchange, deployment)
        if self.account is not None:
            note(self, self.account, deployment, exchange, usage or tally.usage, tally.events)

    def count_rival(self, tally: Tally, exchange: Exchange, deployment: Deployment) -> None:
        """A call beside the one that answers is over: it is an attempt of its own, and is paid for."""
        self._count_attempt(exchange, deployment)
        if self.account is not None:
            note(self, self.account, deployment, exchange, tally.usage, tally.events, lost=True)

    def _count(self, tally: Tally) -> None:
        """The answer's figures for the access line."""
        self.tally = tally
        facts, first = self.facts, tally.first_event_at
        if first is not None:
            facts["first_byte_ms"] = ms(first - self.started)
            if tally.events > 1 and tally.last_event_at is not None:
                facts["itl_ms"] = ms((tally.last_event_at - first) / (tally.events - 1))
        usage = tally.usage
        if usage:
            self.usage = usage
            facts["prompt_tokens"] = usage.get("prompt_tokens")
            facts["completion_tokens"] = usage.get("completion_tokens")
        facts["events"] = tally.events
        facts["own_ms"] = ms(max(0.0, tally.own_seconds - self.client_seconds))
        if tally.other_form and self._worth_a_line("form"):
            log.warning(
                "an upstream streams when it should not, or the reverse",
                extra={"provider": self.facts.get("provider"), "stream": self.facts.get("stream")},
            )

    def _worth_a_line(self, trouble: str) -> bool:
        """Whether this request's provider has a trouble that only the operator can mend, not told lately."""
        return self.gateway.upstream.worth_a_line(str(self.facts.get("provider")), trouble)

    def _count_attempt(self, exchange: Exchange, deployment: Deployment) -> None:
        """A call of ``deployment`` is over."""
        measure_call(self, exchange, deployment.provider)
        if self.span is not None:
            call_ends(self.span, exchange)
        self.calls += 1
        self.facts["attempts"] = self.calls

    def _count_call(self, exchange: Exchange, deployment: Deployment) -> None:
        """The figures of the upstream call, which is over."""
        if self._drain_timer is not None:
            self._drain_timer.cancel()
            self.gateway.drained.discard(self)
        if self._left_at is not None:
            self.facts["abort_ms"] = ms(perf_counter() - self._left_at)
        self._count_attempt(exchange, deployment)
        self.facts["upstream_bytes"] = exchange.received
        if exchange.retried:
            self.facts["retried"] = True


def _few(names: tuple[str, ...]) -> tuple[str, ...]:
    """As many of ``names`` as a header and a log line should hold, each of them whole, and how many more there are."""
    room = _NAMES
    for at, name in enumerate(names):
        room -= len(name) + 2
        if room < 0:
            return (*names[:at], and_more(len(names) - at))
    return names


def ms(seconds: float) -> float:
    """As figures are told; a tenth of the work of ``round``."""
    return int(seconds * 100_000 + 0.5) / 100
