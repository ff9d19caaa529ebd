"""The Gemini API over any upstream: ``/v1beta/models/<model>:<method>`` and ``/v1/...``, also below ``/gemini``.

An upstream that speaks this dialect gets requests as they are (``handlers.base.native``). The model stands in the path, and may
have slashes and colons in its name. A key in the query is neither logged nor sent on.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from handlers.base.native import NativeFirstHandler
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

    def make_face(self) -> Face:
        return GeminiFace()

    def chosen(self, model: str) -> tuple[str, Deployment]:
        """The public name that the path means, and one of its deployments. Raises as ``deployment`` does."""
        name = known_name(model, self.snapshot.models)
        return name, self.deployment(name)

    def relay_face(self, own: Face) -> NativeFace:
        assert isinstance(own, GeminiFace)
        return GeminiNativeFace(own)

    async def relay(
        self,
        call: NativeCall,
        body: dict[str, Any],
        name: str,
        deployment: Deployment,
        *,
        stream: bool = False,
    ) -> None:
        """Answer ``body`` as it is and finish; ``name`` is what answers call the model."""
        sent = {**await self.beside(without_our_signatures, body), "model": name}
        await self.answer_natively(call, sent, stream, deployment)


class GenerateContentHandler(GeminiHandler):
    """``POST /v1beta/models/<model>:generateContent``."""

    endpoint = "/v1beta/models/:generateContent"
    native_path = "generateContent"
    streams: ClassVar[bool] = False

    async def post(self, model: str) -> None:
        body = await self.json_body()
        array = self.streams and self.get_query_argument("alt", "json") != "sse"
        name, deployment = self.chosen(model)
        self.face = GeminiFace(name, array=array)
        if call := self.native_call(deployment):
            await self.relay(call, body, name, deployment, stream=self.streams)
            return
        chat = await self.beside(partial(canonical, stream=self.streams), body, name, deployment.api_type)
        self.untranslated = chat.dropped
        self.face = GeminiFace(name, array=array, thoughts=chat.thoughts)
        await self.answer(await self.beside(ChatRequest.of, chat.sent), deployment)


class StreamGenerateContentHandler(GenerateContentHandler):
    """``POST /v1beta/models/<model>:streamGenerateContent``: events with ``alt=sse``, else a JSON array."""

    endpoint = "/v1beta/models/:streamGenerateContent"
    streams = True


class GeminiCountTokensHandler(GeminiHandler):
    """``POST /v1beta/models/<model>:countTokens``: counted by the upstream if it can, else an estimate, and marked as one."""

    endpoint = "/v1beta/models/:countTokens"
    native_path = "countTokens"
    _body: dict[str, Any]

    async def post(self, model: str) -> None:
        self._body = body = await self.json_body()
        name, deployment = self.chosen(model)
        if call := self.native_call(deployment):
            await self.relay(call, body, name, deployment)
        else:
            await self._estimate()

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
        name, deployment = self.chosen(model)
        if call := self.native_call(deployment):
            await self.relay(call, body, name, deployment)
            return
        self._asked = await self.beside(partial(embeddings, single=self.single), body, name)
        self.untranslated = self._asked.dropped
        await self.embed(await self.beside(EmbeddingsRequest.of, self._asked.sent), deployment)

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
