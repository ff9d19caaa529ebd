"""The scripted model as a server: one kind of upstream on a real socket, which keeps what it was asked and refused.

``ScriptedModel(kind)`` answers the paths of that kind's vendor and no other: ``openai`` and ``gpt5`` have chat and
Responses, ``vllm`` chat, ``strict`` and ``plain-openai`` chat alone, and so on (``KINDS``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.apps.scripted import (
    anthropic_messages,
    gemini_content,
    ollama_chat,
    openai_chat,
    openai_responses,
    responses_answer,
)
from tests.apps.scripted.mind import BESIDE, decide
from tests.apps.scripted.openai_chat import Manners
from tests.apps.scripted.typed import Refused
from tests.support import scripts
from tests.support.peer import Exchange, Peer, Script


@dataclass(frozen=True, slots=True)
class Kind:
    """An upstream: the adapter that the gateway uses, the model's name there, and the manners of the dialect."""

    api_type: str
    model: str
    manners: Manners = field(default_factory=Manners)
    responses: bool = False
    thinks: bool = True
    options: tuple[tuple[str, Any], ...] = ()  # more fields of the row in the gateway's configuration


def _openai(model: str, **manners: Any) -> Kind:
    return Kind("openai", model, Manners(**manners), responses=True, options=(("vendor", "openai"),))


KINDS = {
    "openai": _openai("o4-mini", thinker=True),
    "gpt5": _openai("gpt-5.5", thinker=True, elsewhere=True),
    "plain-openai": _openai("gpt-4o", reasons=False),
    "strict": Kind("openai", "strict-scripted", Manners(), options=(("vendor", "strict"),)),
    "vllm": Kind("vllm", "qwen3-scripted", Manners(lenient=True, thought="reasoning"), responses=True),
    "ollama": Kind("ollama", "qwen3:8b"),
    "plain-ollama": Kind("ollama", "llama3.2:3b", thinks=False),
    "anthropic": Kind("anthropic", "claude-sonnet-4-5"),
    "gemini": Kind("gemini", "gemini-3-scripted"),
}


class ScriptedModel(Peer):
    """``async with ScriptedModel("gemini") as model``: ``model.host`` is what the gateway is told."""

    def __init__(self, kind: str) -> None:
        super().__init__(self._answer)
        self.name, self.kind = kind, KINDS[kind]
        self.refusals: list[str] = []
        self.asked: list[tuple[str, Any]] = []

    @property
    def host(self) -> str:
        """The base URL as this adapter wants it."""
        return self.url + ("/v1" if self.kind.api_type in ("openai", "vllm") else "")

    async def _answer(self, exchange: Exchange) -> None:
        path = exchange.request.path.partition("?")[0]
        try:
            body = exchange.request.json() if exchange.request.body else {}
            self.asked.append((path, body))
            script = self._choose(path, body, exchange)
        except Refused as refused:
            if refused.status != 404:  # asking whether there is such a path is no fault
                self.refusals.append(f"{path}: {refused}")
            script = self._refusal(refused)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            self.refusals.append(f"{path}: unreadable: {error!r}")
            script = self._refusal(Refused(f"unreadable: {error!r}"))
        await script(exchange)

    def _choose(self, path: str, body: Any, exchange: Exchange) -> Script:
        served: dict[str, Callable[[str, Any, Exchange], Script | None]] = {
            "openai": self._openai,
            "vllm": self._openai,
            "ollama": self._ollama,
            "anthropic": self._anthropic,
            "gemini": self._gemini,
        }
        script = served[self.kind.api_type](path, body, exchange)
        if script is None:
            raise Refused(f"Not Found: {exchange.request.method} {path}", status=404)
        return script

    def _openai(self, path: str, body: Any, exchange: Exchange) -> Script | None:
        if path == "/v1/models":
            return scripts.answer_json(
                {"object": "list", "data": [{"id": self.kind.model, "object": "model"}]}
            )
        if path == "/v1/embeddings":
            return scripts.answer_json(_embeddings(body))
        if path == "/v1/responses" and self.kind.responses:
            openai_responses.judge(body, self.kind.manners)
            said = decide(replace(openai_responses.read(body, self.kind.manners), told=_told(exchange)))
            if not body.get("stream"):
                return scripts.answer_json(responses_answer.whole(said, body))
            return scripts.stream(*_named(responses_answer.stream(said, body)))
        if path != "/v1/chat/completions":
            return None
        openai_chat.judge(body, self.kind.manners)
        said = decide(replace(openai_chat.read(body), told=_told(exchange)))
        if not body.get("stream"):
            return scripts.answer_json(openai_chat.whole(said, body, self.kind.manners))
        return scripts.stream(*scripts.sse(*openai_chat.stream(said, body, self.kind.manners)))

    def _anthropic(self, path: str, body: Any, exchange: Exchange) -> Script | None:
        betas = exchange.request.header("anthropic-beta")
        if path == "/v1/messages/count_tokens":
            anthropic_messages.judge({"max_tokens": 1 << 20, **body}, betas)
            return scripts.answer_json({"input_tokens": 100})
        if path.startswith("/v1/models"):
            found = {"type": "model", "id": self.kind.model, "display_name": "Scripted"}
            return scripts.answer_json(
                found if path != "/v1/models" else {"data": [found], "has_more": False}
            )
        if path != "/v1/messages":
            return None
        anthropic_messages.judge(body, betas)
        said = decide(replace(anthropic_messages.read(body), told=_told(exchange)))
        if not body.get("stream"):
            return scripts.answer_json(anthropic_messages.whole(said, body))
        return scripts.stream(*_named(anthropic_messages.stream(said, body)))

    def _ollama(self, path: str, body: Any, exchange: Exchange) -> Script | None:
        if path == "/api/show":
            able = ["completion", "tools", "vision", *(["thinking"] if self.kind.thinks else [])]
            details = {"family": "scripted", "parameter_size": "8B", "quantization_level": "Q4_0"}
            return scripts.answer_json({"capabilities": able, "details": details, "model_info": {}})
        if path == "/api/tags":
            return scripts.answer_json({"models": [{"name": self.kind.model, "model": self.kind.model}]})
        if path == "/api/embed":
            count = len(body["input"]) if isinstance(body["input"], list) else 1
            return scripts.answer_json({"model": body["model"], "embeddings": [[0.6, 0.8]] * count})
        if path != "/api/chat":
            return None
        ollama_chat.judge(body, self.kind.thinks)
        said = decide(replace(ollama_chat.read(body), told=_told(exchange)))
        if body.get("stream") is False:
            return scripts.answer_json(ollama_chat.whole(said, body, self.kind.thinks))
        lines = ollama_chat.lines(said, body, self.kind.thinks)
        return scripts.stream(*scripts.ndjson(*lines), content_type=scripts.NDJSON)

    def _gemini(self, path: str, body: Any, exchange: Exchange) -> Script | None:
        found = re.fullmatch(r"/v1beta/models/([^:/]+)(?::(\w+))?", path)
        if found is None:
            return None
        model, method = found[1], found[2]
        if method is None:
            return scripts.answer_json(
                {"name": f"models/{model}", "inputTokenLimit": 1 << 20, "outputTokenLimit": 65536}
            )
        if method == "countTokens":
            return scripts.answer_json({"totalTokens": 100})
        if method == "batchEmbedContents":
            return scripts.answer_json({"embeddings": [{"values": [0.6, 0.8]} for _ in body["requests"]]})
        gemini_content.judge(body)
        said = decide(replace(gemini_content.read(body), told=_told(exchange)))
        if method == "generateContent":
            return scripts.answer_json(gemini_content.whole(said, body, model))
        return scripts.stream(*scripts.sse(*gemini_content.stream(said, body, model), done=False))

    def _refusal(self, refused: Refused) -> Script:
        """The error in the vendor's form."""
        words, status = str(refused), refused.status
        forms: dict[str, Any] = {
            "anthropic": {"type": "error", "error": {"type": "invalid_request_error", "message": words}},
            "ollama": {"error": words},
            "gemini": {"error": {"code": status, "message": words, "status": "INVALID_ARGUMENT"}},
        }
        plain = {"message": words, "type": "invalid_request_error", "param": refused.at or None, "code": None}
        return scripts.answer_json(forms.get(self.kind.api_type, {"error": plain}), status)


def _told(exchange: Exchange) -> bool:
    """Whether the words of the picture's tool came back."""
    return BESIDE.encode() in exchange.request.body


def _named(events: list[dict[str, Any]]) -> list[bytes]:
    """Events with their names, as Responses and Messages write them."""
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


def _embeddings(body: Any) -> dict[str, Any]:
    count = len(body["input"]) if isinstance(body["input"], list) else 1
    vector: Any = "mpkZP83MTD8=" if body.get("encoding_format") == "base64" else [0.6, 0.8]
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(count)]
    return {
        "object": "list",
        "data": data,
        "model": body["model"],
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }
