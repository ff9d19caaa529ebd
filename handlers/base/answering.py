"""How a canonical chat request is answered, whatever endpoint or dialect it came in by.

Laws: one task writes the answer and awaits each write under a limit; the upstream call lives inside the request and
is aborted the moment the client leaves, unless the model says ``drain``: then the answer is read to its end, written to
nobody, and its usage is recorded. Headers say who answered and what was lost on the way. The access line is complete
before the answer is finished.
"""

from __future__ import annotations

import asyncio
import random
from asyncio import Future
from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter
from typing import Any, ClassVar, TypeVar

from tornado.iostream import StreamClosedError

from handlers.base.charging import Account, refused, told
from handlers.base.handler import OFF_LOOP, BaseHandler, header_text, log
from handlers.base.joining import join
from handlers.base.limits import OPENAI, limits_in
from handlers.base.measuring import measure, measure_call, measure_refusal
from handlers.base.prepared import Begun, Made, Prepare, Prepared, UsedPrompt
from handlers.base.redaction import conceal, without_addresses
from handlers.base.routed import carry_out, wanted_prompt
from handlers.base.tracing import call_ends
from llm_proxy.access.cost import usage_at_end
from llm_proxy.errors import ClientGone, GatewayError, UpstreamAuth, and_more
from llm_proxy.faces.face import OpenAIFace
from llm_proxy.live.config.catalog import Resolved
from llm_proxy.net.pace import Pace
from llm_proxy.relay.attempt_words import words
from llm_proxy.relay.attempts import Attempts
from llm_proxy.relay.choosing import Wish
from llm_proxy.relay.continuity import Continuity, may_be_continued
from llm_proxy.relay.memory import COST
from llm_proxy.relay.reading import read_answer
from llm_proxy.relay.relay import Relay, Tally, expressed
from llm_proxy.relay.upstream import Exchange
from llm_proxy.routing.able import needs_of
from llm_proxy.routing.choice import choose
from llm_proxy.routing.queueing import Priority
from llm_proxy.wire.calls import NOTHING, Deployment, HttpCall, NativeRequest
from llm_proxy.wire.schema import ChatRequest, EmbeddingsRequest
from providers.base import BaseProvider
from providers.common.about import About

T = TypeVar("T")

#: A request and its deployment without thinking, and what was given up of it, by name.
Thoughtless = tuple[Any, Deployment, tuple[str, ...]]

#: How much of a model's name the access line holds.
_LONGEST_NAME = 200
#: About so many bytes of a request are a token.
_BYTES_A_TOKEN = 4
#: How many characters the names of what was dropped may take.
_NAMES = 1000


def _not_yet(data: bytes) -> bool:
    return False


class AnsweringHandler(BaseHandler):
    """Base of the endpoints that call an upstream for one answer."""

    exchange: Exchange | None = None
    #: What the books say of it, where there are keys.
    account: Account | None = None
    #: Whether its answers are paid for.
    bills: ClassVar[bool] = True
    #: The attempts at several upstreams; None where there is one and nothing else is configured.
    tries: Attempts | None = None
    #: The stream that runs, if another upstream may go on with it.
    begun_answer: Begun | None = None
    #: What headers about limits begin with in the endpoint's dialect.
    limits: ClassVar[tuple[str, ...]] = OPENAI
    #: Whom it is asked of.
    upstream: Deployment | None = None
    _begun = False
    #: Whether an upstream has begun to answer a large body.
    _answered = False
    #: When the client was found gone (``perf_counter`` seconds).
    _left_at: float | None = None
    #: How long the upstream may go on without a client, in seconds; 0: not at all.
    _drain_seconds = 0.0
    _drain_timer: asyncio.TimerHandle | None = None
    #: Seconds spent waiting for a slow client.
    client_seconds = 0.0
    #: The answer's figures, once it is over; and how many calls were made for it.
    tally: Tally | None = None
    _calls = 0
    #: ``Sink.offer``: the connection's own, once the answer has begun.
    offer: Callable[[bytes], bool] = staticmethod(_not_yet)
    #: Bytes of an answer of known length that are still to be written, and what the newest write gave.
    _owed: int | None = None
    _flushed: Future[None] | None = None

    @property
    def begun(self) -> bool:
        """Whether the status line is out (``Sink``)."""
        return self._begun

    def deployment(self, model: str) -> Deployment:
        """One of the active deployments of ``model``, by weight. Raises ``ModelNotFound`` or ``NoUpstream``."""
        self.facts["model"] = model[:_LONGEST_NAME]
        found = self.resolved(model)
        rows = found.deployments
        return rows[0] if found.plain or found.pinned else choose(rows, random.random())

    def route(
        self, model: str, body: Mapping[str, Any] = NOTHING, *, stream: bool = False
    ) -> Deployment | Attempts:
        """Where a request for ``model`` goes; ``body`` is the client's. Raises ``ModelNotFound``."""
        self.facts["model"] = model[:_LONGEST_NAME]
        found = self.resolved(model)
        return found.deployments[0] if found.plain else self.attempts(found, body, stream=stream)

    def attempts(
        self,
        resolved: Resolved,
        body: Mapping[str, Any] = NOTHING,
        *,
        stream: bool = False,
        able: Callable[[Deployment], bool] | None = None,
        first: Deployment | None = None,
    ) -> Attempts:
        """The attempts at the upstreams of a model that has several, or more to be said about."""
        wish = self.wish(resolved, body, able, first)
        tries = Attempts(self.gateway.router, resolved, self.snapshot.catalog.resolve, wish)
        if stream:
            tries.streams()
            tries.silent_until = tries.started + self.gateway.keep_alive.after
            tries.break_silence = self._while_nothing_is_heard
        return tries

    def wish(
        self,
        resolved: Resolved,
        body: Mapping[str, Any],
        able: Callable[[Deployment], bool] | None,
        first: Deployment | None,
    ) -> Wish:
        """What the request wants of an upstream."""
        prompt, grant = wanted_prompt(resolved, self.request.headers, body, self._size), self.grant
        priority: Priority = "default" if grant is None else grant.priority
        key = "" if grant is None else grant.name
        tokens = self._size // _BYTES_A_TOKEN
        if not body:
            return Wish(able, first, prompt, tokens, priority, key)
        needs = partial(self.beside, needs_of, body)
        return Wish(able, first, prompt, tokens, priority, key, self._about, self._bounded, needs)

    def _bounded(self, resolved: Resolved) -> bool:
        """Whether one of its upstreams is known not to be able to take just any request."""
        return self.gateway.abilities.bounded(resolved, self.snapshot.adapter)

    def _about(self, deployment: Deployment) -> About:
        """What is known of that upstream's model."""
        return self.gateway.abilities.of(deployment, self.snapshot.adapter(deployment))

    async def _while_nothing_is_heard(self) -> float:
        """Tell a client that waits for an upstream that we are still here; when to do so again."""
        await self.send(self.face.keep_alive())
        return self.now() + self.gateway.keep_alive.interval

    async def complete_chat(self, body: dict[str, Any], *, stream: bool) -> None:
        """Answer a body of OpenAI's chat completions; ``stream`` is what an absent field means. Raises ``RequestError``."""
        if body.get("stream") is None:
            body["stream"] = stream
        request = ChatRequest.of(body) if self._light else await self.beside(ChatRequest.of, body)

        async def prepare(_: Deployment) -> Prepared:
            return Prepared(request, OpenAIFace(request.wants_usage, request.model))

        await self.answer(self.route(request.model, body, stream=request.stream is True), prepare)

    async def answer(self, where: Deployment | Attempts, prepare: Prepare) -> None:
        """Answer from there what ``prepare`` makes of the request, and finish."""
        try:
            if type(where) is Deployment:
                await self.attempt(where, prepare)
            else:
                await carry_out(self, where, lambda deployment: self.attempt(deployment, prepare), prepare)  # type: ignore[arg-type]
        except GatewayError as error:
            await self._ended_badly(error)
        except Exception as error:
            if not self._begun:
                raise
            self.log_exception(type(error), error, error.__traceback__)
            await self._ended_badly(GatewayError("an internal error occurred"))
        finally:
            if self.account is not None:
                self.account.close()

    async def charge(self, deployment: Deployment, sent: Mapping[str, Any], *, blind: bool = False) -> None:
        """Where there are keys: let the request in, once. Raises ``GatewayError``."""
        if self.grant is None or self.account is not None or not self.bills:
            return
        try:
            self.account = await Account.open(self, deployment, sent, blind=blind)
        except GatewayError as error:
            refused(error, self.limits)
            measure_refusal(self, error)
            self.gateway.gate.refused(self.grant.name, error)
            raise

    async def attempt(self, deployment: Deployment, prepare: Prepare) -> None:
        """Ask ``deployment``, in another way if it wants one, and finish with its answer. Raises ``GatewayError``."""
        prepared = await prepare(deployment)
        while type(prepared) is Prepared:
            self.face = prepared.face
            if self.grant is not None:
                await self.charge(deployment, prepared.request.sent)
            try:
                if type(prepared.request) is EmbeddingsRequest:
                    await self._embed(prepared, prepared.request, deployment)
                else:
                    await self._chat(prepared, prepared.request, deployment)  # type: ignore[arg-type]
                return
            except GatewayError as error:
                if (
                    self._begun
                    or self.gone
                    or (other := await self.another(prepared, deployment, error)) is None
                ):
                    raise
                if self.tries is not None:
                    self.tries.again(error)
                self.clear()
                prepared = other
        await prepared.tell()  # type: ignore[union-attr]

    async def another(
        self, prepared: Prepared, deployment: Deployment, error: GatewayError
    ) -> Prepared | None:
        """What to ask ``deployment`` instead, after ``error``; None if there is nothing."""
        if prepared.native is not None or not self._refuses_thinking(error, deployment):
            return None
        return prepared  # once: now it is known

    async def _chat(
        self, prepared: Prepared, request: ChatRequest | NativeRequest, deployment: Deployment
    ) -> None:
        """One call for an answer to ``request``. Raises ``GatewayError``."""
        if self._light:
            made = self._made(prepared, request, deployment)
        else:
            made = await self.made(prepared, request, deployment)
        adapter, request, deployment = made.adapter, made.request, made.deployment
        self.say_who(deployment, made.dropped, prepared.prompt)
        tally = Tally()
        if self.span is not None:
            self.span.sent, self.span.stream = request.sent, bool(request.stream)
        exchange = self._open(made.call, deployment)
        del made  # it holds the body
        relay = Relay(
            exchange,
            adapter,
            request,
            deployment,
            self.face,
            tally,
            self.gateway.keep_alive,
            self.worked_out,
        )
        tries = self.tries
        if tries is not None:
            tries.opened(exchange)
            if request.stream:
                relay.first_token = tries.token
                relay.continuity = self._remembered(tries, prepared)
        self.facts["stream"] = bool(request.stream)
        if deployment.on_client_gone == "drain":
            self._drain_seconds = deployment.drain_seconds
        tally.own_seconds = perf_counter() - self.body_at
        self.gateway.running.add(self)
        try:
            try:
                if self.gone:
                    raise ClientGone("the client left before its request was sent on")
                if request.stream:
                    await relay.stream(self)
                else:
                    response = await relay.whole()
                    if self.span is not None:
                        self.span.answer = response.data
                if tries is not None:
                    tries.answered(tally.usage)
                if self._left_at is not None:
                    self.facts["drained"] = True
            finally:
                self._count(tally)
                self._count_call(exchange)
                if self.account is not None:
                    self.account.note(deployment, exchange, tally.usage, tally.events)
            if not request.stream:
                size = exchange.received
                if size < OFF_LOOP:
                    said = expressed(self.face.whole, response)
                else:
                    said = await self.offloaded(size, expressed, self.face.whole, response, paid=True)
                await self._send_whole(said)
        finally:
            self.gateway.running.discard(self)

    def _remembered(self, tries: Attempts, prepared: Prepared) -> Continuity | None:
        """What remembers the answer, if it may be gone on with by another upstream; the head says so."""
        request = prepared.request
        wanted = tries.model.policy.on_break == "continue" and prepared.native is None
        if not wanted or not isinstance(request, ChatRequest) or not may_be_continued(request):
            self.begun_answer = None
            return None
        self.begun_answer = Begun(request, prepared.face, Continuity())
        self.answer_headers.put("X-Llm-Continuation", "allowed")
        return self.begun_answer.continuity

    async def go_on(self, answer: Begun, deployment: Deployment) -> None:
        """Let ``deployment`` go on with an answer that broke off. Raises ``GatewayError``."""
        tries = self.tries
        assert tries is not None
        request = answer.continuity.request(answer.request, deployment)
        made = await self.made(Prepared(request, answer.face), request, deployment)
        exchange, tally = self._open(made.call, made.deployment), Tally()
        tries.opened(exchange)
        answer.continuity.begin(deployment.provider)
        self.upstream = deployment
        self.facts.update(
            continued_by=deployment.provider, provider=deployment.provider, upstream_model=deployment.model
        )
        relay = Relay(
            exchange,
            made.adapter,
            made.request,
            made.deployment,
            answer.face,
            tally,
            self.gateway.keep_alive,
            self.worked_out,
            continuity=answer.continuity,
        )
        self.gateway.running.add(self)
        try:
            await relay.stream(self)
            tries.answered(tally.usage)
        finally:
            self.count(tally, exchange)
            self.gateway.running.discard(self)

    async def made(self, prepared: Prepared, request: Any, deployment: Deployment) -> Made:
        """The call that asks ``deployment`` for an answer. Raises ``GatewayError``."""
        if self._light:
            return self._made(prepared, request, deployment)
        request, removed = await self.beside(without_addresses, request)
        adapter = prepared.native
        if adapter is None:
            provider = self.snapshot.adapter(deployment)
            found = await self.beside(provider.without_thinking, request, deployment)
            request, deployment, given_up = self._thinking(provider, request, deployment, found)
            removed += given_up
            adapter = provider.adapter_for(request, deployment)
        call = await self.beside(adapter.chat_call, request, deployment)
        return _named(prepared, adapter, request, deployment, call, removed)

    def _made(self, prepared: Prepared, request: Any, deployment: Deployment) -> Made:
        """The same for a small request: step by step, but for the waiting between them."""
        request, removed = without_addresses(request)
        adapter = prepared.native
        if adapter is None:
            provider = self.snapshot.adapter(deployment)
            found = provider.without_thinking(request, deployment)
            if found is not None:
                request, deployment, given_up = self._thinking(provider, request, deployment, found)
                removed += given_up
            adapter = provider.adapter_for(request, deployment)
        call = adapter.chat_call(request, deployment)
        return _named(prepared, adapter, request, deployment, call, removed)

    def _thinking(
        self, provider: BaseProvider, request: Any, deployment: Deployment, found: Thoughtless | None
    ) -> Thoughtless:
        """Request and deployment, without thinking if the model is known to have none: then ``found``; and what was given
        up, by name."""
        if found is not None and self.gateway.knowledge.thinks_not(deployment, provider):
            return found
        return request, deployment, ()

    def _open(self, call: HttpCall, deployment: Deployment) -> Exchange:
        """The exchange for ``call``, which tells what it holds of bodies."""
        self.exchange = exchange = self.gateway.upstream.exchange(call, deployment)
        join(self, exchange, deployment)
        exchange.hold = self.hold
        if self._size >= OFF_LOOP and not self._answered:
            exchange.sent = self._upstream_has_it
        return exchange

    def _upstream_has_it(self) -> None:
        """The answer has begun, so the body as it was sent is not kept any more; the request as values is."""
        self._answered = True
        self.let_go(self._size // COST)

    def _refuses_thinking(self, error: GatewayError, deployment: Deployment) -> bool:
        """Whether the request is worth a second try without thinking; then that is remembered."""
        adapter, knowledge = self.snapshot.adapter(deployment), self.gateway.knowledge
        if not adapter.refuses_thinking(error):
            return False
        if knowledge.thinks_not(deployment, adapter):
            return False  # it was not asked for
        knowledge.refused_thinking(deployment)
        return knowledge.thinks_not(deployment, adapter)

    async def _embed(self, prepared: Prepared, request: EmbeddingsRequest, deployment: Deployment) -> None:
        """One call for the vectors of ``request``. Raises ``GatewayError``."""
        request, removed = await self.beside(without_addresses, request)
        adapter, body = self.snapshot.adapter(deployment), b""
        call = await self.beside(adapter.embeddings_call, request, deployment)
        self.say_who(deployment, (*prepared.untranslated, *call.dropped, *removed), None)
        exchange = self._open(call, deployment)
        del call
        if self.tries is not None:
            self.tries.opened(exchange)
        self.gateway.running.add(self)
        try:
            try:
                async with exchange:
                    _, body = await read_answer(exchange, adapter, deployment.timeouts)
                if self.tries is not None:
                    self.tries.answered()
            finally:
                self._count_call(exchange)
                if self.account is not None:
                    self.account.note(deployment, exchange, usage_at_end(body), 0)
            await self._send_whole(await self.worked_out(len(body), self._embeddings, adapter, body, request))
        finally:
            self.gateway.running.discard(self)

    def _embeddings(self, adapter: BaseProvider, body: bytes, request: EmbeddingsRequest) -> bytes:
        return self.embeddings_body(adapter.embeddings_response(body, request))

    async def worked_out(self, size: int, work: Callable[..., T], *arguments: Any) -> T:
        """``work(*arguments)``, a step of what is done with ``size`` bytes of an answer: beside the loop if that is much."""
        if size < OFF_LOOP:
            return work(*arguments)
        return await self.offloaded(size, work, *arguments, paid=True)

    def embeddings_body(self, body: bytes) -> bytes:
        """OpenAI's embeddings answer in the endpoint's dialect. Raises ``UpstreamError``."""
        return body

    async def _send_whole(self, body: bytes) -> None:
        """Finish with ``body``; a large one waits for the client like a stream, and under the same limit."""
        self._tell_limits()
        self._tell_attempts()
        if len(body) > OFF_LOOP and not self.gone:
            self.answer_headers.put("Content-Length", str(len(body)))
            self.write(body)
            self._begun = True
            self._owed = 0
            await self._taken(self.flush())
        elif not self.gone:
            self.finish(body)

    async def send(self, data: bytes) -> None:
        """``Sink.send``: begin the stream if need be, write, and wait until the socket has taken it.

        Without a client it raises ``ClientGone``, or does nothing if the upstream is to be drained.
        """
        if not self.gone:
            if self._owed is not None:
                self._owed -= len(data)
            await self._taken(self.connection.write(data) if self._begun else self._begin(data))
        elif self._drain_timer is None:
            raise ClientGone("the client closed its connection")

    async def _taken(self, flushed: Future[None]) -> None:
        """Wait until the client's socket has taken what was written, but not for ever: nothing else would ever notice
        that nobody reads. Raises as ``send`` does."""
        self._flushed = flushed
        try:
            if not flushed.done():
                began = perf_counter()
                done = await self._goes_on(flushed)
                self.client_seconds += perf_counter() - began
                self.facts["client_ms"] = _ms(self.client_seconds)
                if not done:
                    flushed.cancel()
                    self.facts.update(ended_by="gateway", kind="write_timeout")
                    self.cut()
                    raise StreamClosedError  # what a write to it would raise from now on
            flushed.result()
        except StreamClosedError:
            self._client_left()
            if self._drain_timer is None:
                raise ClientGone("the client closed its connection") from None

    async def _goes_on(self, flushed: Future[None]) -> bool:
        """Wait for ``flushed``; false if the client has taken nothing for too long. One that reads steadily may be as slow
        as it likes."""
        connection = self.connection
        pace = Pace(self.gateway.settings.write_timeout, -connection.untaken)
        while not (await asyncio.wait({flushed}, timeout=pace.interval))[0]:
            if pace.stalled(-connection.untaken):
                return False
        return True

    def _begin(self, data: bytes) -> Future[None]:
        """Send the headers of a streamed answer together with its first bytes."""
        self._begun = True
        self._tell_limits()
        self._tell_attempts()
        self.stream_headers()
        # Node's fetch takes a cut body for a complete one if it saw "Connection: close"; the connection of a client
        # that asked for it is closed at the end all the same.
        self.connection.say_close = False
        self.write(data)
        flushed = self.flush()
        self.offer = self.connection.offer
        return flushed

    def _tell_limits(self, *, failed: bool = False) -> None:
        """What the upstream has said of its limits; nothing if it has not answered yet."""
        head = self.exchange.head if self.exchange is not None else None
        if head is not None:
            for name, value in limits_in(head.headers, self.limits, failed=failed):
                self.set_header(name, value)
        if self.account is not None:
            taken = self.account.charge.taken
            for name, value in told(taken.standing, self.limits):
                self.set_header(name, value)
            if taken.warning is not None:
                self.set_header("X-LLM-Budget", header_text(f"{taken.warning[0]} {taken.warning[1]}%"))

    def _tell_attempts(self, error: GatewayError | None = None) -> None:
        """Who was asked, and what came of it; at the end ``error``, if so."""
        exchange, upstream = self.exchange, self.upstream
        if self.tries is not None:
            text = header_text.__wrapped__(self.tries.told())
            self.facts |= self.tries.facts()
            if self.tries.fallback:
                self.answer_headers.put(
                    "X-Llm-Fallback", header_text.__wrapped__(self.tries.fallback[:_NAMES])
                )
        elif exchange is not None and upstream is not None:
            head, provider = exchange.head, header_text(upstream.provider)
            text = words(provider, head and head.status, error, exchange.loop.time() - exchange.started_at)
        else:
            return
        if text:
            self.answer_headers.put("X-Llm-Attempts", text)

    def stream_headers(self) -> None:
        """What keeps proxies and browsers from holding back or re-coding a stream."""
        self.answer_headers.put("Content-Type", self.face.stream_type)
        self.answer_headers.put("Cache-Control", "no-cache, no-transform")
        self.answer_headers.put("X-Accel-Buffering", "no")

    def say_who(
        self,
        deployment: Deployment,
        dropped: tuple[str, ...],
        prompt: UsedPrompt | None,
    ) -> None:
        self.upstream = deployment
        self.answer_headers.put("X-Llm-Provider", header_text(deployment.provider))
        self.answer_headers.put("X-Llm-Model", header_text(deployment.model))
        self.facts.update(provider=deployment.provider, upstream_model=deployment.model)
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

    async def _ended_badly(self, error: GatewayError) -> None:
        """Tell the client, if it is still there, in the only way that is left."""
        if self.upstream is not None:
            conceal(error, self.upstream)
        self.note_failure(error)
        if isinstance(error, UpstreamAuth) and self.tries is None and self._worth_a_line("auth"):
            log.error("an upstream rejects our key", extra={"provider": self.facts.get("provider")})
        if isinstance(error, ClientGone) or self.gone:
            self.gone = True
            if not self._cut:
                self.cut()
            return
        if not self._begun:
            self.clear()
            self._tell_limits(failed=True)
            self._tell_attempts(error)
            self.fail(error)
            return
        self.broken = error.status
        try:
            await self.send(self.face.failure(error, self.request_id))
        except ClientGone:
            return
        self.cut()

    def abort(self, reason: GatewayError) -> None:
        """``Running.abort``: close the upstream at once; the task that relays finds the reason and ends."""
        if self.exchange is not None:
            self.exchange.abort(reason)
        if self.tries is not None:
            self.tries.leave(reason)

    def begin_anew(self) -> None:
        """An attempt has failed, and nobody has heard of it but for keep-alives: the next one begins."""
        if not self._begun:
            self.clear()

    @property
    def streams(self) -> bool:
        """``Running.streams``."""
        return bool(self.facts.get("stream"))

    def measured(self, status: int, ended: float, seconds: float) -> None:
        measure(self, self.tally, status, ended, seconds)

    def on_connection_close(self) -> None:
        if self._delivered():
            return
        super().on_connection_close()
        if not self._cut:
            self._client_left()

    def _delivered(self) -> bool:
        """Whether the client's socket has taken the whole of an answer whose length it knew: then it may leave before
        we are through."""
        taken = self._flushed
        if self._owed != 0 or taken is None or not taken.done():
            return False
        return not taken.cancelled() and taken.exception() is None

    def _give_up_job(self) -> None:
        if not self._drain_seconds:  # then the answer is read to its end for the log
            super()._give_up_job()

    def _client_left(self) -> None:
        """Nobody reads the answer any more: end the upstream call, now or when it is drained."""
        if self._left_at is not None:
            return
        self.gone = True
        self._left_at = perf_counter()
        exchange = self.exchange
        reason = ClientGone("the client closed its connection")
        if self.tries is not None and (exchange is None or exchange.over):
            self.tries.leave(reason)  # it waits for an upstream
        if exchange is None:
            return
        self.facts.setdefault("ended_by", "client")
        self.facts["phase"] = exchange.phase
        if self._may_drain(exchange):
            loop = asyncio.get_running_loop()
            self._drain_timer = loop.call_later(self._drain_seconds, self.abort, reason)
            self.facts["drained"] = False
            self.gateway.drained.add(self)
            exchange.yield_slot()
        else:
            self.abort(reason)

    def _may_drain(self, exchange: Exchange) -> bool:
        """Whether the call goes on without its client: the model says so, it was sent, and not too many do."""
        wanted = self._drain_seconds and exchange.connected_at is not None and not exchange.over
        return bool(wanted) and len(self.gateway.drained) < self.gateway.settings.drained_calls

    def count(self, tally: Tally, exchange: Exchange) -> None:
        """The figures of an answer that came from another upstream than was asked first."""
        self._count(tally)
        self._count_call(exchange)
        if self.account is not None and self.upstream is not None:
            self.account.note(self.upstream, exchange, tally.usage, tally.events)

    def _count(self, tally: Tally) -> None:
        """The answer's figures for the access line."""
        self.tally = tally
        if tally.first_event_at is not None:
            self.facts["first_byte_ms"] = _ms(tally.first_event_at - self.started)
            if tally.events > 1 and tally.last_event_at is not None:
                self.facts["itl_ms"] = _ms((tally.last_event_at - tally.first_event_at) / (tally.events - 1))
        usage = tally.usage
        if usage:
            self.facts["prompt_tokens"] = usage.get("prompt_tokens")
            self.facts["completion_tokens"] = usage.get("completion_tokens")
        self.facts["events"] = tally.events
        self.facts["own_ms"] = _ms(tally.own_seconds - self.client_seconds)
        if tally.other_form and self._worth_a_line("form"):
            log.warning(
                "an upstream streams when it should not, or the reverse",
                extra={"provider": self.facts.get("provider"), "stream": self.facts.get("stream")},
            )

    def _worth_a_line(self, trouble: str) -> bool:
        """Whether this request's provider has a trouble that only the operator can mend, not told lately."""
        return self.gateway.upstream.worth_a_line(str(self.facts.get("provider")), trouble)

    def _count_call(self, exchange: Exchange) -> None:
        """The figures of the upstream call, which is over."""
        if self._drain_timer is not None:
            self._drain_timer.cancel()
            self.gateway.drained.discard(self)
        if self._left_at is not None:
            self.facts["abort_ms"] = _ms(perf_counter() - self._left_at)
        if self.upstream is not None:
            measure_call(self, exchange, self.upstream.provider)
        if self.span is not None:
            call_ends(self.span, exchange)
        self._calls += 1
        self.facts["attempts"] = self._calls
        self.facts["upstream_bytes"] = exchange.received
        if exchange.retried:
            self.facts["retried"] = True


def _named(
    prepared: Prepared,
    adapter: Any,
    request: Any,
    deployment: Deployment,
    call: HttpCall,
    removed: tuple[str, ...],
) -> Made:
    """The call, and the names of all that it lacks."""
    if type(request) is NativeRequest and (request.headers or request.query):
        call = call._replace(once=True)
    return Made(adapter, request, deployment, call, prepared.untranslated + call.dropped + removed)


def _few(names: tuple[str, ...]) -> tuple[str, ...]:
    """As many of ``names`` as a header and a log line should hold, each of them whole, and how many more there are."""
    room = _NAMES
    for at, name in enumerate(names):
        room -= len(name) + 2
        if room < 0:
            return (*names[:at], and_more(len(names) - at))
    return names


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
