"""What a client may not decide: where its request goes, and with whose key.

Laws: only the configuration says so. Fields by which other gateways are told are taken out of a request and named; none
of them reaches an upstream, least of all a client's key. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from llm_proxy.schema import ChatRequest, EmbeddingsRequest
from llm_proxy.wire import NativeRequest

#: LiteLLM's names and those of the official clients' constructors, which end up in bodies by mistake.
ADDRESSES = frozenset(
    "api_base api_host api_key api_token api_type api_version base_url custom_llm_provider organization".split()
)

_Request = TypeVar("_Request", ChatRequest, EmbeddingsRequest, NativeRequest, ChatRequest | NativeRequest)


def without_addresses(request: _Request) -> tuple[_Request, tuple[str, ...]]:
    """``request`` without such fields, and the names of those that it had."""
    found = tuple(sorted(ADDRESSES & request.sent.keys()))
    if not found:
        return request, ()
    kept = {name: value for name, value in request.sent.items() if name not in found}
    if isinstance(request, NativeRequest):
        return replace(request, sent=kept), found
    return type(request).of(kept), found
