"""The dialect of the endpoint that this process serves itself: OpenAI's. See ``llm_proxy.service.demo``."""

from __future__ import annotations

from typing import ClassVar

from llm_proxy.errors import NotSupported
from llm_proxy.wire.calls import Deployment, HttpCall
from llm_proxy.wire.schema import EmbeddingsRequest
from providers.openai.provider import OpenAIProvider


class DemoProvider(OpenAIProvider):
    """``api_type`` ``demo``; the server fills in the host, whose port is chosen at start."""

    api_type: ClassVar[str] = "demo"
    default_host: ClassVar[str | None] = None
    has_media: ClassVar[bool] = False
    vendors: ClassVar[frozenset[str]] = frozenset()

    def list_call(self, deployment: Deployment) -> HttpCall | None:
        return None  # it answers by any name

    def embeddings_call(self, request: EmbeddingsRequest, deployment: Deployment) -> HttpCall:
        raise NotSupported.by_upstream("the demo has no embeddings")
