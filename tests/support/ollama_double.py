"""A strict double of Ollama's native API on a real socket; what it answers depends only on the request and on which
models are loaded. No Ollama was at hand when it was written: it follows the server's source and API documents
(https://github.com/ollama/ollama: server/routes.go, api/types.go, docs/api.md), and the official client judges it.

Models: see ``MODELS``. Besides the ordinary ones: ``dies`` breaks off with an error line, ``mute`` ends without
``done:true``, ``busy`` answers 503, ``broken`` 500 before the first line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.support import ollama_rules as rules
from tests.support import scripts
from tests.support.ollama_rules import Refused
from tests.support.ollama_words import MODELS, VERSION, Answer, describe, full_name, lines, metrics
from tests.support.peer import Exchange, Peer, Script

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"


class OllamaDouble(Peer):
    """``async with OllamaDouble() as double``: ``double.url`` is the base, without a path.

    ``loaded`` holds the models in memory; ``gate``, if set, is waited for after the first line of a stream.
    """

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.loaded: set[str] = set()
        self.gate: asyncio.Event | None = None
        self._cached: set[str] = set()

    async def _answer(self, exchange: Exchange) -> None:
        try:
            script = self._choose(exchange)
        except Refused as refused:
            script = _json({"error": str(refused)}, refused.status)
        await script(exchange)

    def _choose(self, exchange: Exchange) -> Script:
        request = exchange.request
        if not rules.host_allowed(request.header("Host")):
            return scripts.answer(b"", 403, content_type=TEXT)
        path, reading = request.path.partition("?")[0], request.method in ("GET", "HEAD")
        posts: dict[str, Callable[[dict[str, Any]], Script]] = {
            "/api/chat": self._chat,
            "/api/generate": self._generate,
            "/api/show": self._show,
            "/api/embed": self._embed,
            "/api/embeddings": self._embeddings,
        }
        gets = {"/": self._root, "/api/tags": self._tags, "/api/ps": self._ps, "/api/version": self._version}
        if path not in posts and path not in gets:
            return scripts.answer(b"404 page not found", 404, content_type=TEXT)
        if (path in gets and not reading) or (path in posts and request.method != "POST"):
            return scripts.answer(b"405 method not allowed", 405, content_type=TEXT)
        if path in gets:
            return gets[path]()
        if not request.body:
            raise Refused("missing request body")
        try:
            body = request.json()
        except ValueError as error:
            raise Refused("invalid character in JSON") from error
        if not isinstance(body, dict):
            raise Refused("json: cannot unmarshal array into Go value of type api.ChatRequest")
        return posts[path](body)

    def _root(self) -> Script:
        return scripts.answer(b"Ollama is running", content_type=TEXT)

    def _version(self) -> Script:
        return _json({"version": VERSION})

    def _tags(self) -> Script:
        return _json({"models": [describe(name) for name in MODELS]})

    def _ps(self) -> Script:
        warm = {"expires_at": "2026-11-22T11:00:00.123456789Z", "size_vram": 0, "context_length": 4096}
        return _json({"models": [{**describe(name), **warm} for name in MODELS if name in self.loaded]})

    def _show(self, body: dict[str, Any]) -> Script:
        name = _known(body.get("model") or body.get("name"))
        about = {
            "license": "CC0-1.0",
            "modelfile": f"FROM {name}",
            "parameters": "",
            "template": "{{ .Prompt }}",
            "details": describe(name)["details"],
            "model_info": {"general.architecture": "llama", "llama.context_length": 8192},
            "capabilities": list(MODELS[name]),
            "modified_at": describe(name)["modified_at"],
        }
        return _json(about)

    def _embed(self, body: dict[str, Any]) -> Script:
        name, inputs = _known(body.get("model")), rules.embed_inputs(body)
        self.loaded.add(name)
        counted = {"prompt_eval_count": len(inputs)} if inputs else {}
        vectors = [[0.6, 0.8]] * len(inputs)
        return _json({"model": body["model"], "embeddings": vectors, "total_duration": 14143917, **counted})

    def _embeddings(self, body: dict[str, Any]) -> Script:
        self.loaded.add(_known(body.get("model")))
        return _json({"embedding": [6.0, 8.0] if body.get("prompt") else []})

    def _chat(self, body: dict[str, Any]) -> Script:
        name = _known(body.get("model"))
        rules.check_chat(body, MODELS[name])
        return self._run(Answer("chat", name, body), empty=not body.get("messages"))

    def _generate(self, body: dict[str, Any]) -> Script:
        name = _known(body.get("model"), malformed=404)
        rules.check_generate(body, MODELS[name])
        return self._run(Answer("generate", name, body), empty=not body.get("prompt"))

    def _run(self, answer: Answer, *, empty: bool) -> Script:
        """Load, unload, or answer; a load is one JSON object even where a stream was asked for."""
        unload = rules.unloads(answer.body.get("keep_alive"))
        if answer.name == "busy:latest":
            raise Refused("server busy, please try again.  maximum pending requests exceeded", 503)
        if answer.name == "broken:latest":
            raise Refused("llama runner process has terminated: exit status 2", 500)
        cold = answer.name not in self.loaded
        self.loaded.add(answer.name)
        if unload:
            self.loaded.discard(answer.name)
        if empty:
            return _json(answer.line("", done=True, done_reason="unload" if unload else "load"))
        prompt = repr((answer.name, answer.body.get("messages"), answer.body.get("prompt")))
        all_lines = lines(answer, metrics(cold=cold, cached=prompt in self._cached, answered=answer.count))
        self._cached.add(prompt)
        if answer.body.get("stream") is False:
            if answer.name == "dies:latest":
                raise Refused("an error was encountered while running the model", 500)
            return _json(answer.joined(all_lines))
        parts = scripts.ndjson(*all_lines)
        pieces = parts if self.gate is None else [parts[0], self.gate, *parts[1:]]
        return scripts.stream(*pieces, content_type=scripts.NDJSON)


def _known(name: Any, malformed: int = 400) -> str:
    """The full name of a model that is there. Raises ``Refused``: 404, or ``malformed`` if there is no name."""
    if name is not None and not isinstance(name, str):
        raise Refused("json: cannot unmarshal number into Go struct field ChatRequest.model of type string")
    if not name:
        raise Refused("model is required", malformed)
    if full_name(name) not in MODELS:
        raise Refused(f"model '{name}' not found", 404)
    return full_name(name)


def _json(value: Any, status: int = 200) -> Script:
    return scripts.answer_json(value, status, content_type=JSON)
