"""What a client may want, and what an answer holds, in words that belong to no dialect.

A feature is made of asks: each face says one in its own dialect (``asks``), each upstream must see it in its own
(``sees``) and says the same thing back (``upstreams``), which the face's client must get (``faces``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

#: How a cell is proved. answer: one question and its answer; round: the answer goes back with results of tools, as a
#: client sends it, and is answered again; refused: an error before the stream; broken: one in it; left: the client goes.
Way = Literal["answer", "round", "refused", "broken", "left"]


@dataclass(frozen=True, slots=True)
class Feature:
    """``streams``: in which forms the answer is asked for."""

    name: str
    way: Way
    asks: tuple[str, ...] = ("hello",)
    streams: tuple[bool, ...] = (False, True)


FEATURES = (
    Feature("plain", "answer", ("plain",), (False,)),
    Feature("streaming", "answer", streams=(True,)),
    Feature("tools", "answer", ("tools",)),
    Feature("parallel tools", "answer", ("parallel",)),
    Feature("tool results", "round", ("results",)),
    Feature("images", "answer", ("image", "image by URL")),
    Feature("reasoning", "round", ("reasoning",)),
    Feature("JSON schema", "answer", ("schema", "JSON without a schema")),
    Feature("stop at length", "answer", ("length",)),
    Feature("usage", "answer", ("usage",)),
    Feature("error before the stream", "refused"),
    Feature("error in the stream", "broken", streams=(True,)),
    Feature("client abort", "left"),
)


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call; every double calls with the same arguments."""

    id: str
    name: str
    arguments: tuple[tuple[str, str], ...] = (("city", "Paris"),)


@dataclass(frozen=True, slots=True)
class Counts:
    """Tokens: the whole prompt, what a cache gave of it and what was written to one, the whole answer, its thoughts."""

    prompt: int = 0
    cached: int = 0
    written: int = 0
    answer: int = 0
    thoughts: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """An answer. ``signature`` is what a vendor signs its thinking with, and wants back."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    thought: str = ""
    signature: str = ""
    finish: Literal["stop", "length", "tool_calls"] = "stop"
    counts: Counts = field(default_factory=Counts)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as clients get it: ``kind`` and ``code`` as OpenAI names them, ``message`` a part of its text."""

    status: int
    kind: str
    code: str
    message: str
    retry_after: str | None = None


def refused(status: int, message: str, kind: str, code: str, **more: Any) -> Refusal:
    """The vendor refuses what the client asks for."""
    return Refusal(status, kind, code, message, **more)


def rejected_key() -> Refusal:
    """The vendor refuses the gateway's key, which is not the client's fault."""
    return refused(502, "rejects the gateway's credentials", "server_error", "upstream_auth")


def failed(status: int, message: str, **more: Any) -> Refusal:
    """The vendor fails."""
    return refused(status, message, "server_error", "upstream_error", **more)


#: Anthropic's names for errors, by status (docs.anthropic.com/en/api/errors).
ANTHROPIC_KINDS = {
    400: "invalid_request_error",
    404: "not_found_error",
    429: "rate_limit_error",
    502: "api_error",
    503: "overloaded_error",
    529: "overloaded_error",
}
