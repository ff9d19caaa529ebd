"""OpenAI's audio, images and moderations over any upstream of that dialect, streams and uploads included.

The model that the body names is replaced by the upstream's name for it; nothing else of a body is touched. See
``handlers.base.media``.
"""

from __future__ import annotations

from typing import Any, ClassVar

from handlers.base.media import MediaHandler
from llm_proxy.errors import InvalidRequest, Problem


class ModelHandler(MediaHandler):
    """Base of the endpoints whose body names a model."""

    #: Whether that API has a default where it is absent.
    model_is_required: ClassVar[bool] = False

    async def post(self) -> None:
        body = await self.media_body()
        model = body.model
        if model is None and self.model_is_required:
            raise InvalidRequest.of([Problem("model", "is required")])
        target = self.endpoint.removeprefix("/v1")
        await self.send_on(self.where(model), "POST", target, body, named=bool(model))


class SpeechHandler(ModelHandler):
    """``POST /v1/audio/speech``: text in, sound out, as it is made."""

    endpoint = "/v1/audio/speech"
    model_is_required = True


class TranscriptionsHandler(ModelHandler):
    """``POST /v1/audio/transcriptions``: sound in, text out, in one piece or streamed."""

    endpoint = "/v1/audio/transcriptions"
    model_is_required = True


class TranslationsHandler(ModelHandler):
    """``POST /v1/audio/translations``."""

    endpoint = "/v1/audio/translations"
    model_is_required = True


class GenerationsHandler(ModelHandler):
    """``POST /v1/images/generations``."""

    endpoint = "/v1/images/generations"


class EditsHandler(ModelHandler):
    """``POST /v1/images/edits``."""

    endpoint = "/v1/images/edits"


class VariationsHandler(ModelHandler):
    """``POST /v1/images/variations``."""

    endpoint = "/v1/images/variations"


class ModerationsHandler(ModelHandler):
    """``POST /v1/moderations``."""

    endpoint = "/v1/moderations"


_HANDLERS = (
    *(SpeechHandler, TranscriptionsHandler, TranslationsHandler),
    *(GenerationsHandler, EditsHandler, VariationsHandler),
    ModerationsHandler,
)
routes: list[tuple[str, Any]] = [(handler.endpoint, handler) for handler in _HANDLERS]
root_routes: list[tuple[str, Any]] = routes
