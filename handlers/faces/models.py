"""The configured models as OpenAI lists them, and as Anthropic or Google does for a client that says so: all of them have
``/v1/models``.

Anthropic's clients send ``anthropic-version`` with every request, Google's ``x-goog-api-key`` or ``x-goog-api-client``,
and nobody else does.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from handlers.base.handler import BaseHandler
from llm_proxy.faces.anthropic.face import AnthropicFace
from llm_proxy.faces.anthropic.models import Paging, described, page
from llm_proxy.faces.face import Face
from llm_proxy.faces.gemini import models as gemini_models
from llm_proxy.faces.gemini.face import GeminiFace
from llm_proxy.wire.calls import Deployment


class CatalogueHandler(BaseHandler):
    """What both have in common."""

    def for_anthropic(self) -> bool:
        """Whether the client speaks Anthropic's dialect."""
        return "anthropic-version" in self.request.headers

    def for_google(self) -> bool:
        """Whether the client speaks Gemini's dialect."""
        headers = self.request.headers
        return "x-goog-api-key" in headers or "x-goog-api-client" in headers

    def make_face(self) -> Face:
        if self.for_anthropic():
            return AnthropicFace("")
        return GeminiFace() if self.for_google() else super().make_face()


class ModelsHandler(CatalogueHandler):
    """``GET /v1/models``: all of them; Anthropic's and Google's forms come in pages."""

    endpoint = "/v1/models"

    async def get(self) -> None:
        models, loaded_at = self.models, self.snapshot.loaded_at
        if self.for_anthropic():
            make = partial(page, models, loaded_at, Paging.of(self.get_query_argument))
        elif self.for_google():
            make = partial(gemini_models.page, models, gemini_models.Page.of(self.get_query_argument))
        else:
            make = partial(_list, models, int(loaded_at))
        await self.send_long(len(models), make)

    head = get


class ModelHandler(CatalogueHandler):
    """``GET /v1/models/<id>``; an id may contain slashes."""

    endpoint = "/v1/models/"

    def get(self, name: str) -> None:
        if self.for_google() and not self.for_anthropic():
            name = gemini_models.known_name(name, self.models)
        rows, loaded_at = self.resolved(name).deployments, self.snapshot.loaded_at
        if self.for_anthropic():
            self.send_json(described(name, rows, loaded_at))
        elif self.for_google():
            self.send_json(gemini_models.described(name, rows))
        else:
            self.send_json(entry(name, rows, int(loaded_at)))

    head = get


class AnthropicModelsHandler(ModelsHandler):
    """``GET /anthropic/v1/models``: there is no other dialect there."""

    def for_anthropic(self) -> bool:
        return True


class AnthropicModelHandler(ModelHandler):
    """``GET /anthropic/v1/models/<id>``."""

    def for_anthropic(self) -> bool:
        return True


class GeminiModelsHandler(ModelsHandler):
    """``GET /v1beta/models``."""

    endpoint = "/v1beta/models"

    def for_anthropic(self) -> bool:
        return False

    def for_google(self) -> bool:
        return True


class GeminiModelHandler(ModelHandler):
    """``GET /v1beta/models/<id>``."""

    endpoint = "/v1beta/models/"

    def for_anthropic(self) -> bool:
        return False

    def for_google(self) -> bool:
        return True


def _list(models: Mapping[str, tuple[Deployment, ...]], created: int) -> dict[str, Any]:
    data = [entry(name, rows, created) for name, rows in sorted(models.items())]
    return {"object": "list", "data": data}


def entry(name: str, rows: tuple[Deployment, ...], created: int) -> dict[str, Any]:
    """One model in OpenAI's form; ``created`` is when the configuration was loaded, since nobody knows better."""
    return {"id": name, "object": "model", "created": created, "owned_by": rows[0].provider}
