"""The Gemini API over any upstream: ``/v1beta/models/<model>:<method>`` and ``/v1/...``, also below ``/gemini``.

An upstream that speaks this dialect gets requests as they are (``handlers.base.native``). The model stands in the path, and may
have slashes and colons in its name. A key in the query is neither logged nor sent on.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from handlers.base.native import NativeFirstHandler
from handlers.base.prepared import Own, Prepared
from handlers.base.unknown import NoSuchPathHandler
from handlers.faces.models import GeminiModelHandler, GeminiModelsHandler
from llm_proxy.errors import GatewayError, UpstreamRefused
from llm_proxy.faces.face import Face
from llm_proxy.faces.gemini.embed import Asked, embeddings
from llm_proxy.faces.gemini.face import GeminiFace
from llm_proxy.faces.gemini.models import known_name
from llm_proxy.faces.gemini.native import GeminiNativeFace, without_our_signatures
from llm_proxy.faces.gemini.request import canonical, estimated_tokens
from llm_proxy.faces.native import NativeFace
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.schema import ChatRequest, EmbeddingsRequest
from providers.base import NativeCall


class GeminiHandler(NativeFirstHandler):
    """Base of the calls of a model; ``native_path`` is the method, by which providers know it."""

    dialect = "gemini"

    def make_face(self) -> Face:
        return GeminiFace()

    def known(self, model: str) -> str:
        """The public name that the path means, if there is one."""
        return known_name(model, self.models)

    def relay_face(self, own: Face) -> NativeFace:
        assert isinstance(own, GeminiFace)
        return GeminiNativeFace(own)

    async def as_it_is(
        self, call: NativeCall, body: dict[str, Any], name: str, face: GeminiFace, *, stream: bool = False
    ) -> Prepared:
        """``body`` for an upstream of this dialect; ``name`` is what answers call the model."""
        sent = {**await self.beside(without_our_signatures, body), "model": name}
        return self.natively(call, sent, stream, face)


class GenerateContentHandler(GeminiHandler):
    """``POST /v1beta/models/<model>:generateContent``."""

    endpoint = "/v1beta/models/:generateContent"
    native_path = "generateContent"
    streams: ClassVar[bool] = False

    async def post(self, model: str) -> None:
        body = await self.json_body()
        array = self.streams and self.get_query_argument("alt", "json") != "sse"
        name = self.known(model)
        where = self.route(name, body, stream=self.streams)
        self.face = GeminiFace(name, array=array)

        async def prepare(deployment: Deployment) -> Prepared:
            if call := self.native_call(deployment):
                return await self.as_it_is(
                    call, body, name, GeminiFace(name, array=array), stream=self.streams
                )
            addresses = self.snapshot.adapter(deployment).takes_file_urls(deployment)
            made = partial(canonical, stream=self.streams, addresses=addresses)
            chat = await self.beside(made, body, name, deployment.api_type)
            request = await self.beside(ChatRequest.of, chat.sent)
            return Prepared(request, GeminiFace(name, array=array, thoughts=chat.thoughts), chat.dropped)

        await self.answer(where, prepare)


class StreamGenerateContentHandler(GenerateContentHandler):
    """``POST /v1beta/models/<model>:streamGenerateContent``: events with ``alt=sse``, else a JSON array."""

    endpoint = "/v1beta/models/:streamGenerateContent"
    streams = True


class GeminiCountTokensHandler(GeminiHandler):
    """``POST /v1beta/models/<model>:countTokens``: counted by the upstream if it can, else an estimate, and marked as one."""

    endpoint = "/v1beta/models/:countTokens"
    bills = False
    native_path = "countTokens"
    _body: dict[str, Any]

    async def post(self, model: str) -> None:
        self._body = body = await self.json_body()
        name = self.known(model)

        async def prepare(deployment: Deployment) -> Prepared | Own:
            if call := self.native_call(deployment):
                return await self.as_it_is(call, body, name, GeminiFace())
            return Own(self._estimate)

        await self.answer(self.route(name, body), prepare)

    async def _ended_badly(self, error: GatewayError) -> None:
        # Servers that have no more than the answers of this API are many.
        if isinstance(error, UpstreamRefused) and error.status in (404, 405) and not self.gone:
            await self._estimate()
        else:
            await super()._ended_badly(error)

    async def _estimate(self) -> None:
        tokens = await self.beside(estimated_tokens, self._body)
        self.set_header("X-Token-Count", "estimate")
        self.send_json({"totalTokens": tokens})


class EmbedContentHandler(GeminiHandler):
    """``POST /v1beta/models/<model>:embedContent``: one vector."""

    endpoint = "/v1beta/models/:embedContent"
    native_path = "embedContent"
    single: ClassVar[bool] = True
    _asked: Asked

    async def post(self, model: str) -> None:
        body = await self.json_body()
        name = self.known(model)

        async def prepare(deployment: Deployment) -> Prepared:
            if call := self.native_call(deployment):
                return await self.as_it_is(call, body, name, GeminiFace())
            self._asked = asked = await self.beside(partial(embeddings, single=self.single), body, name)
            request = await self.beside(EmbeddingsRequest.of, asked.sent)
            return Prepared(request, GeminiFace(), asked.dropped)

        await self.answer(self.route(name, body), prepare)

    def embeddings_body(self, body: bytes) -> bytes:
        return self._asked.answer(body)


class BatchEmbedContentsHandler(EmbedContentHandler):
    """``POST /v1beta/models/<model>:batchEmbedContents``: a vector for each request."""

    endpoint = "/v1beta/models/:batchEmbedContents"
    native_path = "batchEmbedContents"
    single = False


class GeminiNotFoundHandler(GeminiHandler, NoSuchPathHandler):
    """Any other path of this API: tuned models, files, caches and batches are kept by Google."""

    endpoint = "/v1beta/"


_METHODS: list[tuple[str, Any]] = [
    ("generateContent", GenerateContentHandler),
    ("streamGenerateContent", StreamGenerateContentHandler),
    ("countTokens", GeminiCountTokensHandler),
    ("embedContent", EmbedContentHandler),
    ("batchEmbedContents", BatchEmbedContentsHandler),
]


def _calls(version: str) -> list[tuple[str, Any]]:
    """A name ends at the last colon."""
    return [(rf"/{version}/models/(.+):{method}", handler) for method, handler in _METHODS]


def _models(version: str) -> list[tuple[str, Any]]:
    return [
        (f"/{version}/models", GeminiModelsHandler),
        (rf"/{version}/models/(.+)", GeminiModelHandler),
    ]


#: ``/v1/models`` is other dialects' path too (``handlers.faces.openai``); ``/v1beta`` and ``/gemini`` can only mean this one.
_BETA: list[tuple[str, Any]] = [*_calls("v1beta"), *_models("v1beta"), ("/v1beta/.*", GeminiNotFoundHandler)]
_PATHS: list[tuple[str, Any]] = [*_calls("v1"), *_BETA]
_OWN: list[tuple[str, Any]] = [*_calls("v1"), *_models("v1"), *_BETA]
routes: list[tuple[str, Any]] = _PATHS
root_routes: list[tuple[str, Any]] = [
    *_PATHS,
    *(("/gemini" + path, handler) for path, handler in _OWN),
    ("/gemini/.*", GeminiNotFoundHandler),
]
