"""Every ``code`` of an error, for people: when it comes, and what helps. The one table; a test compares it with the sources.

The status is that of OpenAI's form; Anthropic's form differs in one place (402 for a budget). Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Whose turn it is to do something.
Whose = Literal["client", "operator", "upstream", "nobody"]


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """``again``: whether the same request may be answered later without a change."""

    code: str
    status: str
    when: str
    whose: Whose
    again: bool = False


CODES: tuple[ErrorCode, ...] = (
    ErrorCode(
        "invalid_request",
        "400",
        "One or more fields are wrong: `problems` has each with its path, `param` the first.",
        "client",
    ),
    ErrorCode("invalid_json", "400", "The body is no JSON object; the message says line and column.", "client"),
    ErrorCode("invalid_encoding", "400", "The body is not what its `Content-Encoding` says.", "client"),
    ErrorCode("invalid_form", "400", "A form (an upload) cannot be read.", "client"),
    ErrorCode(
        "context_length_exceeded",
        "400",
        "The request is longer than the model's context window: the upstream says so, or no upstream's window is large enough.",
        "client",
    ),
    ErrorCode(
        "thread_unsupported_request",
        "400",
        "One of Anthropic's message threads, over an upstream that keeps none. Its tool runner goes on without.",
        "client",
    ),
    ErrorCode(
        "invalid_api_key", "401", "The gateway has keys, and none came, or none that is valid now.", "client"
    ),
    ErrorCode("not_allowed", "403", "The key is valid, and this is not for it.", "client"),
    ErrorCode(
        "host_not_allowed",
        "403",
        "The `Host` header is none of this gateway's names; LLM_PROXY_API_ALLOWED_HOSTS lists more.",
        "operator",
    ),
    ErrorCode(
        "origin_not_allowed",
        "403",
        "A web page of another origin asks; LLM_PROXY_API_ALLOWED_ORIGINS lists those that may.",
        "operator",
    ),
    ErrorCode("not_found", "404", "There is no such path; the message names the one that was probably meant.", "client"),
    ErrorCode(
        "model_not_found",
        "404",
        "There is no model of that name, or none for this key; the message names near ones.",
        "client",
    ),
    ErrorCode("prompt_not_found", "404", "There is no prompt of that id; the message names near ones.", "client"),
    ErrorCode("provider_not_found", "404", "Passthrough: there is no provider of that name.", "client"),
    ErrorCode(
        "conflict",
        "409",
        "The console: the configuration file is not the one that the edit was made for.",
        "client",
    ),
    ErrorCode(
        "invalid_config",
        "400",
        "The console: the loader does not take the file that was to be written; `problems` says why.",
        "client",
    ),
    ErrorCode("method_not_allowed", "405", "The path is there, this method is not; `Allow` lists those that are.", "client"),
    ErrorCode("request_timeout", "408", "The body was not complete in time.", "client", True),
    ErrorCode("request_too_large", "413", "The body is larger than LLM_PROXY_API_MAX_BODY_SIZE.", "client"),
    ErrorCode("uri_too_long", "414", "Passthrough: the path is longer than 16 KiB.", "client"),
    ErrorCode("unsupported_media_type", "415", "The body's coding or media type is not read here.", "client"),
    ErrorCode(
        "rate_limit_exceeded",
        "429",
        "A limit of the key, its team or the model is reached; `Retry-After` and `retry-after-ms` say for how long.",
        "client",
        True,
    ),
    ErrorCode(
        "insufficient_quota",
        "429",
        "A budget is spent; `resets_at` says until when. 402 in Anthropic's form.",
        "client",
    ),
    ErrorCode("rate_limit", "429", "The upstream asks for fewer requests.", "upstream", True),
    ErrorCode("headers_too_large", "431", "Passthrough: more than 200 header fields, or 64 KiB of them.", "client"),
    ErrorCode("client_gone", "499", "The client left. It stands in the log and is never sent.", "nobody"),
    ErrorCode("internal_error", "500", "A fault of the gateway; the request id leads to it in the log.", "operator"),
    ErrorCode("not_supported", "501", "A gateway does not offer it; 400 where it is the model's upstream that cannot.", "client"),
    ErrorCode(
        "upstream_error",
        "502",
        "The upstream failed, broke off, or broke its own protocol. A refusal of the upstream keeps its own status (4xx) and message.",
        "upstream",
        True,
    ),
    ErrorCode("upstream_unreachable", "502", "No connection, or it died before any byte of an answer.", "operator", True),
    ErrorCode("upstream_auth", "502", "The upstream refuses the gateway's key; the log says which provider.", "operator"),
    ErrorCode("no_upstream", "503", "The model is known, and nothing can serve it now; the message says why not.", "operator", True),
    ErrorCode("queue_full", "503", "Too many requests wait for an upstream of the model already.", "nobody", True),
    ErrorCode("queue_timeout", "503", "It has waited for an upstream as long as the model's `queue` allows.", "nobody", True),
    ErrorCode("draining", "503", "The process is stopping.", "nobody", True),
    ErrorCode("overloaded", "503", "The process holds as many bytes of bodies as it may.", "nobody", True),
    ErrorCode(
        "stopped_by_operator",
        "503",
        "Somebody who runs the gateway has ended the request (the console, or `POST /requests/<id>/stop`).",
        "nobody",
    ),
    ErrorCode(
        "unavailable",
        "503",
        "The console: a file cannot be written, or the usage database cannot be read, just now.",
        "operator",
        True,
    ),
    ErrorCode("usage_unavailable", "503", "The ledger of what was used cannot be read now.", "operator", True),
    ErrorCode("timeout_connect", "504", "The upstream did not accept a connection in time.", "upstream", True),
    ErrorCode("timeout_first_byte", "504", "The upstream began no answer in time.", "upstream", True),
    ErrorCode("timeout_idle", "504", "The upstream stopped in the middle of an answer.", "upstream", True),
    ErrorCode("timeout_total", "504", "The whole call took too long.", "upstream", True),
)  # fmt: skip
