"""What the native calls of all dialects share: a body with defaults under it, and answers that are only relayed.

Laws: a field of the client's is never changed, whatever it is, but for the model's name. A default fills what the
client has left open (a null says nothing); which defaults the client's fields rule out, the dialect's own parameters
decide, as for a request that is translated. Only defaults are ever reported as dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llm_proxy.errors import UpstreamError
from llm_proxy.wire.calls import Deployment, NativeRequest
from providers.base import ChatResponse, Event, Failed, NativeCall, StreamDecoder

Body = dict[str, Any]


def filled(sent: Mapping[str, Any], defaults: Mapping[str, Any]) -> Body:
    """``sent`` with ``defaults`` for what it leaves open."""
    return {**sent, **{name: value for name, value in defaults.items() if sent.get(name) is None}}


def of_defaults(dropped: Iterable[str], sent: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of ``dropped`` that are not about the client's own fields: ``name``, ``name.part`` or ``name (why)``."""
    return tuple(said for said in dropped if sent.get(re.split(r"[ .]", said)[0]) is None)


def for_log(usage: Mapping[str, Any], body: bytes, finish: str | None = None) -> ChatResponse:
    """An answer that is relayed as it is, with what the log wants to know."""
    return ChatResponse({"usage": usage, "choices": [{"finish_reason": finish}]}, body)


class NeverStreams(StreamDecoder):
    """For a call whose answer is one document: whatever streams instead is a fault."""

    def feed(self, data: bytes) -> Sequence[Event]:
        return ()

    def close(self) -> Sequence[Event]:
        text = "the upstream did not answer with the JSON document that was asked for"
        return (Failed(UpstreamError(text, phase="body", kind="content_type")),)


class WholeCall(NativeCall):
    """Base of the calls whose answers never stream."""

    def stream_decoder(self, request: NativeRequest) -> StreamDecoder:
        return NeverStreams()


def renamed(sent: Mapping[str, Any], deployment: Deployment) -> Body:
    """``sent`` under the upstream's name for the model."""
    return {**sent, "model": deployment.model}


def asked(request: NativeRequest) -> str:
    """The model's name that the client used."""
    return str(request.sent.get("model", ""))
