"""Ollama's native API over any upstream, below ``/ollama``: ``OLLAMA_HOST=http://host:port/ollama``.

``stream`` defaults to true, as in that API. Models belong to the configuration: what would change or move them is a 501.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any, ClassVar, Literal

from handlers.base.handler import BaseHandler
from handlers.base.listing import listing
from handlers.base.native import NativeFirstHandler
from handlers.base.prepared import Own, Prepared
from handlers.base.unknown import NoSuchPathHandler
from llm_proxy.errors import InvalidRequest, ModelNotFound, NotSupported, Problem
from llm_proxy.faces.face import Face, OpenAIFace
from llm_proxy.faces.ollama.embed import OllamaEmbed, OllamaEmbeddings, canonical_embed, embed_answer
from llm_proxy.faces.ollama.face import OllamaFace
from llm_proxy.faces.ollama.models import known_name, shown
from llm_proxy.faces.ollama.request import Asked, OllamaChat, OllamaGenerate, canonical
from llm_proxy.routing.choice import unknown_model
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.schema import ChatRequest, EmbeddingsRequest, validated

#: The release of Ollama whose API this is: clients compare, and refuse older ones.
API_VERSION = "0.18.0"

Kind = Literal["chat", "generate"]


def face_for(model: str, kind: Kind = "chat") -> OllamaFace:
    """A face whose clocks run from now."""
    return OllamaFace(model, kind, time.time_ns(), time.monotonic_ns)


class OllamaHandler(BaseHandler):
    """Errors in Ollama's form, also before a method runs."""

    dialect = "ollama"

    def make_face(self) -> Face:
        return face_for("")

    def rows(self, model: str) -> tuple[str, tuple[Deployment, ...]]:
        """The public name that ``model`` means, and its active deployments. Raises ``ModelNotFound``."""
        name = known_name(model, self.models)
        resolved = self.look_up(name)
        if resolved is None:
            # The words by which Ollama's clients know it (server/routes.go).
            message = unknown_model(model, self.models).message
            message = message.replace("the model", "model", 1).replace("does not exist", "not found", 1)
            raise ModelNotFound(message.replace("GET /tags", "GET /api/tags"), param="model")
        return name, resolved.deployments


class RootHandler(OllamaHandler):
    """``GET`` and ``HEAD /ollama``: what clients look at to see whether anybody is there."""

    endpoint = "/ollama"

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("Ollama is running")

    head = get

    def options(self) -> None:
        self.tell_methods()


class VersionHandler(OllamaHandler):
    """``GET /ollama/api/version``."""

    endpoint = "/ollama/api/version"

    def get(self) -> None:
        self.send_json({"version": API_VERSION})

    head = get


class ListHandler(OllamaHandler):
    """``GET /ollama/api/tags``."""

    endpoint = "/ollama/api/tags"

    async def get(self) -> None:
        snapshot, knowledge, models = self.snapshot, self.gateway.knowledge, self.models
        await self.send_long(len(models), lambda: {"models": listing(snapshot, knowledge, models)})

    head = get


class RunningHandler(OllamaHandler):
    """``GET /ollama/api/ps``: a gateway holds no model in memory, and does not know who else does."""

    endpoint = "/ollama/api/ps"

    def get(self) -> None:
        self.send_json({"models": []})

    head = get


class ShowHandler(OllamaHandler):
    """``POST /ollama/api/show``; older clients say ``name`` for ``model``."""

    endpoint = "/ollama/api/show"

    async def post(self) -> None:
        body = await self.json_body()
        asked = body.get("model") or body.get("name")
        if not isinstance(asked, str):
            raise InvalidRequest.of([Problem("model", "is required, and must be a string")])
        name, rows = self.rows(asked)
        snapshot, about = self.snapshot, self.gateway.knowledge.about
        known = await asyncio.gather(*(about(row, snapshot.adapter(row)) for row in rows))
        self.send_json(shown(name, rows, known, snapshot.loaded_at))


class GeneratingHandler(OllamaHandler, NativeFirstHandler):
    """What ``/api/chat`` and ``/api/generate`` have in common."""

    limits = ()
    kind: ClassVar[Kind]
    form: ClassVar[type[OllamaChat | OllamaGenerate]]

    async def post(self) -> None:
        body = await self.json_body()
        asked = await self.judged(body, Asked, self.form)
        self.face = face_for(asked.model, self.kind)
        name, _ = self.rows(asked.model)

        async def prepare(deployment: Deployment) -> Prepared | Own:
            face = face_for(asked.model, self.kind)
            if call := self.native_call(deployment):
                return self.natively(call, body, asked.streams, face)
            form = await self.beside(validated, self.form, body)
            if not form.turns:
                return Own(partial(self._idle, face, form.unloads))
            chat = await self.beside(canonical, form, body, deployment.api_type)
            return Prepared(await self.beside(ChatRequest.of, chat.sent), face, chat.dropped)

        await self.answer(self.route(name, body, stream=asked.streams), prepare)

    async def _idle(self, face: OllamaFace, unloads: bool) -> None:
        """There is nothing to answer: the model shall be loaded, or need not be any more."""
        self.finish(face.idle("unload" if unloads else "load"))


class OllamaChatHandler(GeneratingHandler):
    """``POST /ollama/api/chat``."""

    endpoint = "/ollama/api/chat"
    native_path = "/api/chat"
    kind = "chat"
    form = OllamaChat


class OllamaGenerateHandler(GeneratingHandler):
    """``POST /ollama/api/generate``."""

    endpoint = "/ollama/api/generate"
    native_path = "/api/generate"
    kind = "generate"
    form = OllamaGenerate


class EmbedHandler(OllamaHandler, NativeFirstHandler):
    """``POST /ollama/api/embed``."""

    limits = ()
    endpoint = "/ollama/api/embed"
    native_path = "/api/embed"
    form: ClassVar[type[OllamaEmbed]] = OllamaEmbed

    async def post(self) -> None:
        body = await self.json_body()
        asked = await self.judged(body, Asked, self.form)
        name, _ = self.rows(asked.model)

        async def prepare(deployment: Deployment) -> Prepared | Own:
            if call := self.native_call(deployment):
                return self.natively(call, body, False, face_for(""))
            self._form = form = await self.beside(validated, self.form, body)
            self._began = time.monotonic_ns()
            if not form.texts:
                return Own(self._nothing)
            sent, dropped = await self.beside(canonical_embed, form, body)
            return Prepared(await self.beside(EmbeddingsRequest.of, sent), face_for(""), dropped)

        await self.answer(self.route(name, body), prepare)

    async def _nothing(self) -> None:
        """No text, no vector."""
        self.send_json(self._form.answer([], 0, None))

    def embeddings_body(self, body: bytes) -> bytes:
        return embed_answer(self._form, body, time.monotonic_ns() - self._began)


class EmbeddingsHandler(EmbedHandler):
    """``POST /ollama/api/embeddings``, which the other one has replaced."""

    endpoint = "/ollama/api/embeddings"
    native_path = "/api/embeddings"
    form = OllamaEmbeddings


class ManagementHandler(OllamaHandler):
    """What a gateway does not do."""

    endpoint = "/ollama/api/"

    async def post(self, what: str) -> None:
        raise NotSupported(
            f"/api/{what} is not available: this gateway answers for models of other servers and manages none; "
            "its configuration says which there are"
        )

    put = delete = head = post


class OllamaNotFoundHandler(NoSuchPathHandler):
    """Any other path below ``/ollama``, and on Ollama's own port; below ``/v1`` a real one answers as OpenAI does too."""

    endpoint = "/ollama/"
    everything = "GET /docs, at the gateway's main address,"

    def other_face(self, path: str) -> Face:
        return OpenAIFace() if path.removeprefix("/ollama").startswith("/v1/") else face_for("")


#: Nothing of this is below the prefix.
routes: list[tuple[str, Any]] = []
root_routes: list[tuple[str, Any]] = [
    ("/ollama/?", RootHandler),
    ("/ollama/api/version", VersionHandler),
    ("/ollama/api/tags", ListHandler),
    ("/ollama/api/ps", RunningHandler),
    ("/ollama/api/show", ShowHandler),
    ("/ollama/api/chat", OllamaChatHandler),
    ("/ollama/api/generate", OllamaGenerateHandler),
    ("/ollama/api/embed", EmbedHandler),
    ("/ollama/api/embeddings", EmbeddingsHandler),
    (r"/ollama/api/(pull|push|create|copy|delete|blobs/[^/]*)", ManagementHandler),
    ("/ollama/.*", OllamaNotFoundHandler),
]
