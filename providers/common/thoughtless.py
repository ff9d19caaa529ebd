"""Thinking that is asked of a model that has none: how a refusal of it is known, and what the request is without it.

Laws: pure. Only a refusal of thinking as such counts, not that of one level of it: OpenAI and those like it name the
parameter and say ``unsupported_parameter``; Ollama has only words for it (server/routes.go: ``"NAME" does not support
thinking``), which nobody else sends.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from llm_proxy.errors import GatewayError, UpstreamRefused
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.schema import ChatRequest

#: By what name thinking is asked for, in a request and in the options of a model.
_ASKS = ("reasoning_effort", "think", "reasoning", "thinking")
_PARAMS = frozenset({*_ASKS, "reasoning.effort"})
#: Where it may stand at all, in a request or in options.
_PLACES = frozenset({*_ASKS, "options"})
#: What asks for none.
_NO = (None, False, "none", "disabled")


def refuses_thinking(error: GatewayError) -> bool:
    """Whether ``error`` says that the model does not think at all."""
    if not isinstance(error, UpstreamRefused) or error.status != 400:
        return False
    named = error.code == "unsupported_parameter" and error.param in _PARAMS
    return named or error.message.rstrip(".").endswith("does not support thinking")


def without_thinking(
    request: ChatRequest, deployment: Deployment
) -> tuple[ChatRequest, Deployment, tuple[str, ...]] | None:
    """See ``BaseProvider.without_thinking``."""
    sent = request.sent
    if _PLACES.isdisjoint(sent) and _PLACES.isdisjoint(deployment.options):
        return None  # nearly every request
    asked = [name for name in _ASKS if _asks(sent.get(name))]
    options = deployment.options
    own = options.get("options")
    if not asked and not any(_asks(options.get(name)) for name in _ASKS):
        nested = own if isinstance(own, dict) else {}
        if not _asks(nested.get("think")):
            return None
    kept = {name: value for name, value in options.items() if name not in _ASKS}
    if isinstance(own, dict):
        kept["options"] = {name: value for name, value in own.items() if name != "think"}
    less = replace(deployment, options=MappingProxyType(kept))
    return request.but(**dict.fromkeys(asked)), less, tuple(asked)


def _asks(value: object) -> bool:
    if isinstance(value, dict):
        return value.get("type") != "disabled" and value.get("effort") != "none"
    return value not in _NO
