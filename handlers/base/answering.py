"""How a canonical chat request is answered, whatever endpoint or dialect it came in by.

Laws: one task asks, reads and writes; the upstream call lives inside the request (``delivering`` has the client's side,
``telling`` what is said beside the answer). Whatever is asked of a deployment is made for that deployment anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter
from typing import Any, ClassVar, TypeVar

from handlers.base.body import OFF_LOOP
from handlers.base.charging import note, opened, refused, settled
from handlers.base.delivering import DeliveringHandler
from handlers.base.joining import join
from handlers.base.measuring import measure_refusal
from handlers.base.prepared import Begun, Made, Prepare, Prepared
from handlers.base.redaction import without_addresses
from handlers.base.routed import carry_on, close, wanted_prompt
from handlers.base.talking import attempt_talk
from llm_proxy.errors import ClientGone, GatewayError
from llm_proxy.faces.face import OpenAIFace
from llm_proxy.live.access.cost import usage_at_end
from llm_proxy.live.config.catalog import Resolved
from llm_proxy.relay.attempts import Attempts
from llm_proxy.relay.continuity import Continuity, may_be_continued
from llm_proxy.relay.first_attempt import Wish
from llm_proxy.relay.memory import COST
from llm_proxy.relay.passed_on import expressed
from llm_proxy.relay.reading import read_answer
from llm_proxy.relay.relay import Relay
from llm_proxy.relay.tally import Tally
from llm_proxy.relay.upstream import Exchange
from llm_proxy.routing.able import needs_of
from llm_proxy.routing.affinity import BLOCK, SESSION_FIELDS, SESSION_HEADER, Prompt
from llm_proxy.routing.choice import choose
from llm_proxy.routing.pick import Choice, pick
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


class AnsweringHandler(DeliveringHandler):
    """Base of the endpoints that call an upstream for one answer."""

    #: Whether its answers are paid for.
    bills: ClassVar[bool] = True
    #: The stream that runs, if another upstream may go on with it.
    begun_answer: Begun | None = None
    #: Whether an upstream has begun to answer a large body.
    _answered = False

    def deployment(self, model: str) -> Deployment:
        """Which of the upstreams of ``model`` is to have the one attempt that there is, as ``pick`` says; any of them in use, if
        none can take it now. Raises ``ModelNotFound`` or ``NoUpstream``."""
        self.facts["model"] = model[:_LONGEST_NAME]
        found = self.resolved(model)
        rows, router = found.deployments, self.gateway.router
        if found.plain or found.pinned:
            return rows[0]
        picked = pick(
            rows,
            router.states,
            now=self.now(),
            chance=router.chance,
            policy=found.policy,
            last_resort=True,
            wait=0.0,
        )
        return picked.deployment if isinstance(picked, Choice) else choose(rows, router.chance())

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
        """The attempts at the upstreams of a model that has several, or more to be said about; ``first``: whom it should
        go to rather than to others."""
        tries = Attempts(self.gateway.router, resolved, self, body, able, first)
        tries.size = self._size
        if stream:
            tries.streams = True
            tries.silent_until = tries.started + self.gateway.keep_alive.after
        return tries

    def prompt(self, resolved: Resolved, body: Mapping[str, Any]) -> Prompt | None:
        """What is to be kept together with earlier requests (``Asker``)."""
        size = self._size
        if (
            size < BLOCK
            and SESSION_FIELDS.isdisjoint(body)
            and SESSION_HEADER not in self.request.headers.by_name()
        ):
            return None
        if size >= BLOCK:  # of what is shorter there is nothing to know
            self.gateway.abilities.wanted(resolved, self.snapshot.adapter)
        return wanted_prompt(resolved, self.request.headers, body, size)

    def wish(
        self,
        body: Mapping[str, Any],
        able: Callable[[Deployment], bool] | None,
        first: Deployment | None,
        prompt: Prompt | None,
    ) -> Wish:
        """What the request wants of an upstream (``Asker``)."""
        grant = self.grant
        priority: Priority = "default" if grant is None else grant.priority
        key = "" if grant is None else grant.name
        tokens = self._size // _BYTES_A_TOKEN
        if not body:
            return Wish(able, first, prompt, tokens, priority, key)
        needs = partial(self.beside, needs_of, body)
        return Wish(able, first, prompt, tokens, priority, key, self._about, self.room, needs)

    def room(self, resolved: Resolved) -> float:
        """Up to how many bytes any of its upstreams can take just any request, as far as is known (``Asker``)."""
        return self.gateway.abilities.room(resolved, self.snapshot.adapter)

    def _about(self, deployment: Deployment) -> About:
        """What is known of that upstream's model."""
        return self.gateway.abilities.of(deployment, self.snapshot.adapter(deployment))

    def another_model(self, name: str) -> Resolved | None:
        """What may answer instead (``Asker``)."""
        return self.snapshot.catalog.resolve(name)

    async def tell_waiting(self) -> float:
        """Tell a client that waits for an upstream that we are still here; when to do so again (``Asker``)."""
        await self.send(self.face.keep_alive())
        return self.now() + self.gateway.keep_alive.interval

    async def complete_chat(self, body: dict[str, Any], *, stream: bool) -> None:
        """Answer a body of OpenAI's chat completions; ``stream`` is what an absent field means. Raises ``RequestError``."""
        if body.get("stream") is None:
            body["stream"] = stream
        request = ChatRequest.of(body) if self._light else await self.beside(ChatRequest.of, body)

        async def prepare(_: Deployment) -> Prepared:
            return Prepared(request, OpenAIFace(request.wants_usage, request.model))

        where = self.route(request.model, body, stream=request.stream is True)
        short = request.talk and self._light and self.span is None
        await self.answer(where, prepare, request if short else None)

    async def answer(
        self, where: Deployment | Attempts, prepare: Prepare, talk: ChatRequest | None = None
    ) -> None:
        """Answer from there what ``prepare`` makes of the request, and finish. ``talk``: the request, if it is nothing but that."""
        try:
            if isinstance(where, Deployment):
                if talk is None or not await attempt_talk(self, talk, where):
                    await self.attempt(where, prepare)
            else:
                self.tries = tries = where
                failed = None
                try:
                    if (first := tries.first()) is not None:
                        try:
                            await self.attempt(first, prepare, talk)
                        except GatewayError as error:
                            failed = error
                    if first is None or failed is not None:
                        once = partial(self.attempt, prepare=prepare, talk=talk)
                        await carry_on(self, tries, once, failed, prepare)
                finally:
                    close(self, tries)
        except GatewayError as error:
            await self._ended_badly(error)
        except Exception as error:  # noqa: BLE001 - it is raised again, or told
            await self._stumbled(error)
        finally:
            if self.tries is not None:
                self.tries = None  # they hold what this handler knows: no ring
            if self.account is not None:
                settled(self, self.account)

    async def _stumbled(self, error: Exception) -> None:
        """A fault of ours: raised as it is unless the answer has begun."""
        if not self._begun:
            raise error
        self.log_exception(type(error), error, error.__traceback__)
        await self._ended_badly(GatewayError("an internal error occurred"))

    async def charge(self, deployment: Deployment, sent: Mapping[str, Any], *, blind: bool = False) -> None:
        """Where there are keys: let the request in, once. Raises ``GatewayError``."""
        if self.grant is None or self.account is not None or not self.bills:
            return
        try:
            self.account = await opened(self, deployment, sent, blind=blind)
        except GatewayError as error:
            refused(error, self.limits)
            measure_refusal(self, error)
            self.gateway.gate.refused(self.grant.name, error)
            raise

    async def attempt(
        self, deployment: Deployment, prepare: Prepare, talk: ChatRequest | None = None
    ) -> None:
        """Ask ``deployment``, in another way if it wants one, and finish with its answer. Raises ``GatewayError``."""
        if talk is not None and await attempt_talk(self, talk, deployment):
            return
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
        request = prepared.request
        if prepared.native is not None or not isinstance(request, ChatRequest):
            return None
        adapter = self.snapshot.adapter(deployment)
        asked = adapter.refuses_thinking(error) and adapter.without_thinking(request, deployment) is not None
        if not asked or not self._refuses_thinking(error, deployment):
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
        self.progress = tally = Tally()
        if self.span is not None:
            self.span.sent, self.span.stream = request.sent, bool(request.stream)
        exchange = self.open_exchange(made.call, deployment)
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
            much=not self._light,
        )
        relay.transcript = None if self.span is None else self.span.transcript
        tries = self.tries
        if tries is not None:
            tries.opened(exchange)
            if request.stream:
                relay.first_token = tries.token
                relay.continuity = self._remembered(tries, prepared)
        self.facts["stream"] = bool(request.stream)
        if deployment.on_client_gone == "drain":
            self.drain_for(deployment.drain_seconds)
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
                self._count_call(exchange, deployment)
                if self.account is not None:
                    note(self, self.account, deployment, exchange, tally.usage, tally.events)
            if not request.stream:
                size = exchange.received
                if size < OFF_LOOP and self._light:
                    said = expressed(self.face.whole, response)
                else:
                    said = await self.offloaded(size, expressed, self.face.whole, response, paid=True)
                await self.send_whole(said)
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
        exchange, tally = self.open_exchange(made.call, made.deployment), Tally()
        if self.tally is not None:  # of the first part: it is one answer
            tally.first_event_at, tally.own_seconds = self.tally.first_event_at, self.tally.own_seconds
        self.progress = tally
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
            much=not self._light,
            continuity=answer.continuity,
            transcript=None if self.span is None else self.span.transcript,
        )
        self.gateway.running.add(self)
        try:
            await relay.stream(self)
            tries.answered(tally.usage)
        finally:
            self.count(tally, exchange, deployment, answer.continuity.told)
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
        if prepared.native is None and request.talk:
            provider = self.snapshot.adapter(deployment)
            call = provider.talk_call(request, deployment)
            if call is not None:
                return Made(provider, request, deployment, call, prepared.untranslated)
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

    def open_exchange(self, call: HttpCall, deployment: Deployment) -> Exchange:
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
        exchange = self.open_exchange(call, deployment)
        del call
        if self.tries is not None:
            self.tries.opened(exchange)
        tally = Tally(own_seconds=perf_counter() - self.body_at)
        self.gateway.running.add(self)
        try:
            try:
                async with exchange:
                    _, body = await read_answer(exchange, adapter, deployment.timeouts)
                if self.tries is not None:
                    self.tries.answered()
            finally:
                usage = usage_at_end(body)
                if usage:
                    tally.usage = {"prompt_tokens": usage["prompt_tokens"]}
                self._count(tally)
                self._count_call(exchange, deployment)
                if self.account is not None:
                    note(self, self.account, deployment, exchange, usage, 0)
            began = perf_counter()
            said = await self.worked_out(len(body), self._embeddings, adapter, body, request)
            tally.own_seconds += perf_counter() - began
            self._count(tally)
            await self.send_whole(said)
        finally:
            self.gateway.running.discard(self)

    def _embeddings(self, adapter: BaseProvider, body: bytes, request: EmbeddingsRequest) -> bytes:
        return self.embeddings_body(adapter.embeddings_response(body, request))

    async def worked_out(self, size: int, work: Callable[..., T], *arguments: Any) -> T:
        """``work(*arguments)``, a step of what is done with ``size`` bytes of an answer: beside the loop if that is much, or the
        request was."""
        if size < OFF_LOOP and self._light:
            return work(*arguments)
        return await self.offloaded(size, work, *arguments, paid=True)

    def embeddings_body(self, body: bytes) -> bytes:
        """OpenAI's embeddings answer in the endpoint's dialect. Raises ``UpstreamError``."""
        return body


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
