"""Base URLs that are good URLs and yet not what is meant: the commonest first mistake with any gateway.

Laws: pure. What can only be meant in one way is taken so, and said; anything else that is surely wrong gets a warning and no
more, since a proxy in front of a server may serve it anywhere. No warning holds a value of the document.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from llm_proxy.live.config.presets import PRESETS

#: The end of what vendors call their base URL and what the adapter of a type puts in front of its paths itself.
_OWN_BASE: Mapping[str, re.Pattern[str]] = {
    "anthropic": re.compile(r"/v1$"),
    "gemini": re.compile(r"/v1(?:beta|alpha)?$"),
    "ollama": re.compile(r"/(?:v1|api)$"),
}
#: The longest first, because the end of one may be another.
_ENDPOINTS = tuple(
    sorted(
        (
            *("/chat/completions", "/completions", "/responses", "/embeddings", "/models", "/moderations"),
            *("/messages", "/messages/count_tokens", "/complete", "/rerank", "/files", "/batches"),
            *("/audio/speech", "/audio/transcriptions", "/images/generations", "/images/edits"),
            *("/api/chat", "/api/generate", "/api/tags", "/api/show", "/api/embed", "/api/embeddings"),
        ),
        key=len,
        reverse=True,
    )
)
_METHOD = re.compile(r":(?:stream)?[gG]enerateContent$|:(?:batchE|e)mbedContents?$|:countTokens$")
_TWICE = re.compile(r"/(v[0-9]+(?:beta|alpha)?)/\1(?:/|$)")
#: Ports at which a program of this dialect answers that serves it below /v1 only: Ollama's, LM Studio's.
_PORTS = frozenset({11434, 1234})
#: Paths that vendors want, by host (their own pages, see the presets).
_WANTED = {
    url.hostname: url.path
    for preset in PRESETS.values()
    if preset.api_host and (url := urlsplit(preset.api_host)).path and url.scheme == "https"
} | {"api.openai.com": "/v1"}


@lru_cache(maxsize=100)  # thousands of models share a host
def base_url(api_type: str, api_host: str) -> str:
    """``api_host`` (sound) as the adapter of ``api_type`` takes it."""
    own = _OWN_BASE.get(api_type)
    return own.sub("", api_host) if own is not None else api_host


@lru_cache(maxsize=100)
def doubt(api_type: str, api_host: str) -> str | None:
    """What is surely wrong with ``api_host`` (sound), as a sentence."""
    url = urlsplit(base_url(api_type, api_host))
    path = url.path
    for endpoint in _ENDPOINTS:
        if path.endswith(endpoint):
            return f'ends in the path of an endpoint, "{endpoint}": a base URL ends before it'
    if _METHOD.search(path):
        return "ends in the method of an endpoint: a base URL ends before the API's version"
    if _TWICE.search(path):
        return "has the version of the API twice"
    own = _OWN_BASE.get(api_type)
    if own is not None and own.search(path):
        return "has the version of the API twice: this type puts it in front of each path itself"
    if own is not None and (taken := own.search(urlsplit(api_host).path)):
        return f'"{taken[0]}" at its end is taken off: this type puts it in front of each path itself'
    if api_type in ("openai", "vllm") and (wanted := _missing(api_type, url.hostname or "", url.port, path)):
        return f'should end in "{wanted}": this API is served below it'
    return None


def _missing(api_type: str, host: str, port: int | None, path: str) -> str:
    """The path that the servers at ``host`` want and ``path`` is not; empty if that is not sure."""
    if host.endswith((".openai.azure.com", ".services.ai.azure.com")):
        return "" if path else "/openai/v1"
    if path:
        wanted = _WANTED.get(host, "")
        return wanted if wanted and wanted.startswith(path + "/") else ""
    if host in _WANTED:
        return _WANTED[host]
    return "/v1" if api_type == "vllm" or port in _PORTS else ""
