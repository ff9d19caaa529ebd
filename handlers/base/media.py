"""What OpenAI's audio, images, moderations and files have in common: relayed to upstreams of that dialect.

Laws: a public model's name decides where a request goes; of its body nothing is read but that name. An answer is relayed
as it comes, with what its headers say of the body. What the upstream refuses is told as on every other endpoint: its
status and its words, in OpenAI's form. Bodies wait here until they are whole, because the model may stand behind the
upload; ``LLM_PROXY_API_MAX_BODY_SIZE`` bounds them. A request without a model goes to the one provider that can be
meant; with several a 400 says what to send.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from time import perf_counter
from typing import ClassVar

from handlers.base.prepared import UsedPrompt
from handlers.base.redaction import ADDRESSES
from handlers.base.relaying import LEGAL_VALUE, RelayingHandler
from llm_proxy.errors import GatewayError, InvalidJson, InvalidRequest, NotSupported, Problem
from llm_proxy.faces.media.body import MediaBody, read_body
from llm_proxy.live.config.catalog import Resolved
from llm_proxy.relay.attempts import Attempts
from llm_proxy.relay.clock import Clock
from llm_proxy.relay.reading import read_error
from llm_proxy.relay.upstream import Head
from llm_proxy.wire.calls import Deployment, HttpCall
from llm_proxy.wire.strict_json import JsonProblem

#: What describes an answer's body; everything else is between the upstream and us.
_ABOUT_BODY = (
    "Content-Type",
    "Content-Length",
    "Content-Encoding",
    "Content-Disposition",
    "Content-Language",
    "Last-Modified",
)


class MediaHandler(RelayingHandler):
    """What all of them have in common."""

    dialect = "openai"
    #: What a 400 says about a missing model.
    no_model: ClassVar[str] = "is required, because several upstreams are configured that could be meant"
    #: Whether some model does the work, the upstream's usual one if none is named.
    calls_a_model: ClassVar[bool] = True
    #: What an upstream must speak.
    what: ClassVar[str] = "OpenAI's API"
    #: The end of what was sent of an event stream: between two events there is room for one of ours.
    _tail = b""
    _is_stream = False

    def where(self, model: str | None) -> Deployment | Attempts:
        """Where a request for ``model`` goes. Raises ``ModelNotFound``, ``NoUpstream``, ``NotSupported`` or
        ``InvalidRequest``."""
        if model is None:
            return self._only_provider()
        self.facts["model"] = model
        resolved = self.resolved(model)
        able = [row for row in resolved.deployments if self.able(row)]
        if not able:
            raise NotSupported.by_upstream(self.not_there(resolved.deployments))
        return self.one_of(resolved, able)

    def one_of(self, resolved: Resolved, able: list[Deployment]) -> Deployment | Attempts:
        """Where the request goes, if ``able`` of the model's deployments may take it."""
        if resolved.plain:
            return able[0]
        all_are = len(able) == len(resolved.deployments)
        return self.attempts(resolved, able=None if all_are else self.able)

    def able(self, row: Deployment) -> bool:
        """Whether that upstream may have such endpoints."""
        return self.snapshot.adapter(row).has_media

    def not_there(self, rows: Iterable[Deployment]) -> str:
        """Why none of ``rows`` will do."""
        kinds = " and ".join(sorted({row.api_type for row in rows}))
        return (
            f"upstreams of the type {kinds} have no such endpoint; those that speak {self.what} may have it"
        )

    def _only_provider(self) -> Deployment:
        """The bare row of the one provider that has such endpoints."""
        if self.calls_a_model and self.grant is not None and self.grant.fits is not None:
            raise InvalidRequest.of([Problem("model", "is required, because this key is for certain models")])
        rows = [row for row in self.snapshot.config.deployments if row.active and self.may_use(row.name)]
        names = {row.provider for row in rows if self.able(row)}
        if not names:
            raise NotSupported.by_upstream(f"no upstream is configured that speaks {self.what}")
        bare = self.snapshot.config.providers.get(next(iter(names)))
        if len(names) > 1 or bare is None or not self.able(bare):
            raise InvalidRequest.of([Problem("model", self.no_model)])
        return bare

    async def send_on(
        self,
        where: Deployment | Attempts,
        method: str,
        target: str,
        body: MediaBody | None,
        *,
        named: bool,
    ) -> None:
        """Send the request there and relay its answer. ``named``: the upstream's name for the model stands in the body
        then; else one that stands in it is taken out."""

        async def make(deployment: Deployment) -> HttpCall:
            return await self._call_of(deployment, method, target, body, deployment.model if named else None)

        await self.relay_from(where, make)

    async def _call_of(
        self, deployment: Deployment, method: str, target: str, body: MediaBody | None, model: str | None
    ) -> HttpCall:
        headers = [("Accept", self._accept())]
        data: bytes | None = None
        removed: list[str] = []
        if body is not None:
            removed = sorted(ADDRESSES & body.names)
            without = removed if model is not None else [*removed, "model"]
            data = await self.beside(body.written, model, without)
            headers.append(("Content-Type", body.content_type))
        self.say_who(deployment, tuple(removed), None)
        own = self.snapshot.adapter(deployment).auth_headers(deployment)
        url = deployment.api_host + target
        return HttpCall(method, url, (*headers, *own), data, deployment.timeouts, once=True)

    def _accept(self) -> str:
        given = self.request.headers.get("Accept", "*/*")
        return given if LEGAL_VALUE.fullmatch(given) else "*/*"

    def say_who(self, deployment: Deployment, dropped: tuple[str, ...], prompt: UsedPrompt | None) -> None:
        super().say_who(deployment, dropped, prompt)
        if not deployment.model:
            self.clear_header("X-LLM-Model")

    async def media_body(self) -> MediaBody:
        """The request's body. Raises ``InvalidJson``, ``InvalidRequest`` or ``UnsupportedMedia``."""
        data = await self.plain_body()
        if self.grant is not None:
            await self._weigh(data)
        kind = self.request.headers.get("Content-Type", "")
        try:
            return await self.beside(read_body, data, kind)
        except JsonProblem as problem:
            raise InvalidJson(str(problem)) from problem

    async def take_head(self, head: Head, clock: Clock, deployment: Deployment) -> None:
        if not 200 <= head.status < 300:
            assert self.exchange is not None
            said = await read_error(self.exchange, clock)
            raise self.snapshot.adapter(deployment).error(head.status, head.headers, said)
        self.set_status(head.status)
        self.clear_header("Content-Type")
        for name in _ABOUT_BODY:
            value = head.headers.get(name.lower())
            if value is not None and LEGAL_VALUE.fullmatch(value):
                self.set_header(name, value)
        if head.status == 204:
            self.clear_header("Content-Length")  # RFC 9110, section 8.6
        self._is_stream = head.headers.get("content-type", "").lower().startswith("text/event-stream")
        if self._is_stream:
            self.set_header("Cache-Control", "no-cache, no-transform")
            self.set_header("X-Accel-Buffering", "no")
            self.facts["stream"] = True
            self._silent_until = self.now() + self.gateway.keep_alive.after
        self.expect_length(head.status)

    async def send(self, data: bytes) -> None:
        if not self._begun:
            self.facts["first_byte_ms"] = round((perf_counter() - self.started) * 1000, 2)
        if self._is_stream:
            self._tail = (self._tail + data[-4:])[-4:]
        await super().send(data)
        if self._is_stream:
            self._silent_until = self.now() + self.gateway.keep_alive.interval

    def _between_events(self) -> bool:
        """Whether an event of ours has room in the answer: only a stream whose length nobody has told has any."""
        ended = not self._begun or self._tail.endswith((b"\n\n", b"\r\n\r\n"))
        return self._is_stream and self._owed is None and ended

    async def break_silence(self) -> None:
        now = self.now()
        if now < self._silent_until:
            return
        if self._between_events():
            await self.send(self.face.keep_alive())
        else:
            self._silent_until = now + self.gateway.keep_alive.interval

    def begin_anew(self) -> None:
        super().begin_anew()
        if not self._begun:
            self._owed, self._is_stream, self._silent_until = None, False, math.inf

    async def relay_failed(self, error: GatewayError) -> None:
        if self._begun and not self._between_events():
            await super().relay_failed(error)
        else:
            await self._ended_badly(error)
