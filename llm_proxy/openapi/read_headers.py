"""The headers of requests that mean something to the gateway, for people. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReadHeader:
    """``names``: any of them does it, the first found is taken."""

    names: tuple[str, ...]
    what: str


READ: tuple[ReadHeader, ...] = (
    ReadHeader(
        ("Authorization", "x-api-key", "api-key", "x-goog-api-key"),
        "The caller's key, where there are keys. No upstream sees it.",
    ),
    ReadHeader(
        ("X-Request-Id", "X-Correlation-Id", "X-Trace-Id", "request-id"),
        "The id of the request in the log and in the answer: at most 128 letters, digits and `._:-`; else a new one is made.",
    ),
    ReadHeader(
        ("traceparent", "tracestate"),
        "The trace that the request belongs to (W3C Trace Context). Upstreams are told of it.",
    ),
    ReadHeader(
        ("X-Session-Id",),
        "The conversation that a request belongs to, so that it stays at one upstream (`affinity`).",
    ),
    ReadHeader(
        ("X-Model",),
        "Whose upstream is meant, where neither path nor body says it: files, kept responses, conversations.",
    ),
    ReadHeader(
        ("Content-Encoding",), "`gzip`, `deflate`, `zstd`: how the body is compressed; several, with commas."
    ),
    ReadHeader(
        ("anthropic-version", "x-goog-api-key", "x-goog-api-client"),
        "At `/v1/models`: in whose form the models are listed (Anthropic's, Google's); else OpenAI's.",
    ),
    ReadHeader(
        ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix", "Forwarded"),
        "What a proxy in front says of the client, if it is one of LLM_PROXY_API_TRUSTED_PROXIES.",
    ),
    ReadHeader(
        ("Host", "Origin", "Sec-Fetch-Site"),
        "Whether a web page of a stranger asks, which is a 403 (see [Web pages](../settings.md#web-pages)).",
    ),
    ReadHeader(("Accept",), "At `/metrics`: Prometheus' text, or OpenMetrics."),
)
