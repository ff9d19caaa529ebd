"""``POST /v1/responses``: OpenAI's Responses API, to upstreams that have it as it is, to any other as chat, without keeping
anything between requests.

An answer that an upstream keeps is known only there. So a request that may be kept, or refers to what was, goes to the first
upstream in use of those that have the API, like everything with an id (``handlers.faces.openai_kept``).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from handlers.base.native import NativeFirstHandler
from handlers.base.prepared import Prepared
from llm_proxy.faces.face import Face
from llm_proxy.faces.native import NativeFace
from llm_proxy.faces.responses.face import ResponsesFace
from llm_proxy.faces.responses.native import Asked, ResponsesRelayFace, refers
from llm_proxy.faces.responses.native_history import cleaned
from llm_proxy.faces.responses.request import ResponsesRequest, canonical, read
from llm_proxy.relay.attempts import Attempts
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.schema import ChatRequest


class ResponsesHandler(NativeFirstHandler):
    """``stream`` defaults to false, as in that API."""

    dialect = "openai"
    endpoint = "/v1/responses"
    native_path = endpoint
    native_headers = ("openai-beta",)

    async def post(self) -> None:
        body = await self.json_body()
        asked = await self.judged(body, Asked, ResponsesRequest)

        async def translated(deployment: Deployment) -> Prepared:
            form = await self.beside(read, body)
            addresses = self.snapshot.adapter(deployment).takes_file_urls(deployment)
            chat = await self.beside(canonical, form, body, addresses)
            request = await self.beside(ChatRequest.of, chat.sent)
            face = await self.beside(ResponsesFace, form, _now(), chat.tools, _now)
            return Prepared(request, face, tuple(chat.dropped))

        async def prepare(deployment: Deployment) -> Prepared:
            call = self.native_call(deployment)
            if call is None or not await self.beside(call.takes, body, deployment):
                return await translated(deployment)
            sent: Mapping[str, Any] = body
            dropped: tuple[str, ...] = ()
            if call.keeps(deployment):
                sent, dropped = await self.beside(cleaned, body)
            form = ResponsesRequest.model_construct(model=asked.model, input="")
            # What is kept nowhere else cannot be told in a chat.
            instead = None if refers(body) else partial(translated, deployment)
            face = ResponsesFace(form, _now())
            return self.natively(call, sent, bool(asked.stream), face, dropped, instead)

        await self.answer(self._where(asked, body), prepare)

    def relay_face(self, own: Face) -> NativeFace:
        return ResponsesRelayFace(own)

    def _where(self, asked: Asked, body: dict[str, Any]) -> Deployment | Attempts:
        """Where it goes. Raises as ``route`` does."""
        self.facts["model"] = asked.model
        resolved = self.resolved(asked.model)
        rows = resolved.deployments
        first: Deployment | None = None
        if len(rows) > 1 and asked.store is not False:
            able = [(row, call) for row in rows if row.weight > 0 and (call := self.native_call(row))]
            kept = refers(body)
            if kept:
                able = [(row, call) for row, call in able if call.takes(body, row)]
            if able and (kept or asked.store):
                return able[0][0]
            if able and any(call.keeps(row) for row, call in able):
                first = able[0][0]  # nobody has asked for it to be kept, so any other is better than none
        return (
            rows[0]
            if resolved.plain
            else self.attempts(resolved, body, stream=bool(asked.stream), first=first)
        )


def _now() -> int:
    return int(time.time())


routes: list[tuple[str, Any]] = [("/v1/responses", ResponsesHandler)]
root_routes: list[tuple[str, Any]] = routes
