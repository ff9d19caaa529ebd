"""The model servers that discovery knows, as what they answer: recorded where there was one, else after their documents.

Sources: github.com/lmstudio-ai/docs (1_developer/2_rest), github.com/LostRuins/koboldcpp (koboldcpp.py), github.com/huggingface/
text-generation-inference (docs/openapi.json), docs.sglang.ai, docs.docker.com/ai/model-runner, github.com/BerriAI/litellm
(proxy/health_endpoints), github.com/mudler/LocalAI (core/http/routes), github.com/mostlygeek/llama-swap (proxy).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from llm_proxy.service.discovery.fingerprints import Heard
from tests.support.peer import Exchange, Link, Peer

DATA = Path(__file__).resolve().parent.parent / "data"
LLAMA_CPP = {"server": "llama.cpp"}


@dataclass(frozen=True, slots=True)
class KnownServer:
    """``answers`` by path: a value as JSON, bytes as they are, a number as a status. ``provider`` and ``models`` are what
    discovery should make of it; without ``models``, ``reason`` is what it should say."""

    name: str
    port: int
    answers: Mapping[str, Any]
    provider: str = ""
    models: tuple[str, ...] = ()
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def heard(self, path: str) -> Heard:
        """What it answers at ``path``."""
        value = self.answers.get(path, 404)
        status = value if isinstance(value, int) else 200
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return Heard(status, self.headers, body)


class KnownServerPeer(Peer):
    """The same on a real socket, which also answers chats with ``Hello`` in one piece. ``at``: the port, ``host``: the
    address, where they matter."""

    def __init__(self, server: KnownServer, at: int = 0, host: str = "127.0.0.1") -> None:
        super().__init__(self._answer)
        self.server, self._wanted, self._host = server, at, host

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Link(self), self._host, self._wanted)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def _answer(self, exchange: Exchange) -> None:
        if exchange.request.method == "POST":
            message = {"role": "assistant", "content": "Hello"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            told = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
            heard = Heard(200, {}, json.dumps(told).encode())
        else:
            heard = self.server.heard(exchange.request.path)
        fields = {"content-type": "application/json", **heard.headers, "content-length": len(heard.body)}
        lines = [f"HTTP/1.1 {heard.status} X", *(f"{name}: {value}" for name, value in fields.items())]
        await exchange.send("\r\n".join([*lines, "", ""]).encode() + heard.body)


def _list(*names: str, owner: str = "", **more: Any) -> dict[str, Any]:
    return {
        "object": "list",
        "data": [{"id": n, "object": "model", "owned_by": owner, **more} for n in names],
    }


def _recorded(name: str) -> bytes:
    return (DATA / name).read_bytes()


OLLAMA = KnownServer(
    *("Ollama", 11434),
    {
        "/": b"Ollama is running",
        "/api/version": {"version": "0.18.0"},
        "/api/tags": {"models": [{"name": "qwen3:8b", "model": "qwen3:8b", "size": 5}]},
        "/v1/models": _list("qwen3:8b", owner="library"),
    },
    *("ollama", ("qwen3:8b",)),
)
LLAMACPP = KnownServer(
    *("llama.cpp", 8080),
    {
        "/v1/models": _recorded("openai/models.json"),
        "/props": _recorded("servers/llamacpp-props.json"),
    },
    *("llamacpp", ("tiny",)),
    headers=LLAMA_CPP,
)
VLLM = KnownServer(
    *("vLLM", 8000),
    {"/v1/models": _recorded("vllm/models.json"), "/version": {"version": "0.32.0"}},
    *("vllm", ("tiny",)),
    headers={"server": "uvicorn"},
)
SERVERS = (
    OLLAMA,
    LLAMACPP,
    VLLM,
    KnownServer(
        *("LM Studio, older", 1234),
        {
            "/v1/models": _list("qwen2.5-7b", "nomic-embed", owner="organization_owner"),
            "/api/v0/models": {
                "object": "list",
                "data": [
                    {"id": "qwen2.5-7b", "type": "llm", "compatibility_type": "gguf", "state": "loaded"},
                    {"id": "nomic-embed", "type": "embeddings", "compatibility_type": "gguf"},
                ],
            },
        },
        *("lmstudio", ("qwen2.5-7b", "nomic-embed")),
    ),
    KnownServer(
        *("LM Studio, newer", 1234),
        {
            "/v1/models": _list("google/gemma-3-4b", owner="organization_owner"),
            "/api/v1/models": {
                "models": [{"type": "llm", "key": "google/gemma-3-4b", "architecture": "gemma3"}]
            },
        },
        *("lmstudio", ("google/gemma-3-4b",)),
    ),
    KnownServer(
        *("SGLang", 30000),
        {
            "/v1/models": _list("Qwen/Qwen3-8B", owner="sglang", max_model_len=40960),
            "/get_model_info": {"model_path": "Qwen/Qwen3-8B", "is_generation": True},
        },
        *("sglang", ("Qwen/Qwen3-8B",)),
    ),
    KnownServer(
        *("TGI", 3000),
        {
            "/v1/models": _list("meta-llama/Llama-3.2-3B", owner="meta-llama/Llama-3.2-3B"),
            "/info": {"model_id": "meta-llama/Llama-3.2-3B", "max_total_tokens": 4096},
        },
        *("tgi", ("meta-llama/Llama-3.2-3B",)),
    ),
    KnownServer(
        *("KoboldCpp, which speaks Ollama's dialect too", 5001),
        {
            "/v1/models": _list("koboldcpp/gemma", owner="koboldcpp"),
            "/api/extra/version": {"result": "KoboldCpp", "version": "1.99", "protected": False},
            "/api/version": {"version": "0.7.0"},
            "/api/tags": {"models": [{"name": "koboldcpp"}]},
        },
        *("koboldcpp", ("koboldcpp/gemma",)),
    ),
    KnownServer(
        *("Docker Model Runner", 12434),
        {"/engines/v1/models": _list("ai/smollm2", owner="docker")},
        *("docker", ("ai/smollm2",)),
    ),
    KnownServer(
        *("Lemonade", 8000),
        {"/api/v1/models": _list("Qwen3-0.6B-GGUF", owner="lemonade")},
        *("lemonade", ("Qwen3-0.6B-GGUF",)),
    ),
    KnownServer(
        *("LocalAI", 8080),
        {"/v1/models": _list("gpt-4"), "/readyz": b"OK"},
        *("localai", ("gpt-4",)),
    ),
    KnownServer(
        *("llama-swap", 8080),
        {"/v1/models": _list("qwen", "gemma", owner="llama-swap")},
        *("llama-swap", ("qwen", "gemma")),
    ),
    KnownServer(*("Jan", 1337), {"/v1/models": _list("jan-nano")}, *("jan", ("jan-nano",))),
    KnownServer(
        *("somebody who speaks OpenAI's dialect", 8080),
        {"/v1/models": _list("mlx-community/Qwen3-4B", "*", "$models", "defaults", "a\nb")},
        *("server-8080", ("mlx-community/Qwen3-4B",)),
    ),
    KnownServer(
        *("LiteLLM, which wants a key", 4000),
        {"/v1/models": 401, "/health/liveliness": "I'm alive!"},
        reason="it wants a key, which only a configuration of your own can have",
    ),
    KnownServer(
        *("llama.cpp, still loading", 8080),
        {"/v1/models": 503, "/props": 503},
        reason="it is not ready yet (503)",
        headers=LLAMA_CPP,
    ),
    KnownServer(
        *("an Ollama without models", 11434),
        {"/api/version": {"version": "0.18.0"}, "/api/tags": {"models": []}, "/v1/models": {"data": None}},
        reason="it has no models yet",
    ),
    KnownServer(
        *("another gateway of ours", 8080),
        {"/v1/models": _list("demo")},
        reason="another llm-proxy",
        headers={"x-config-generation": "1-205f0280"},
    ),
    KnownServer(
        *("a web application", 3000),
        {"/": b"<html>"},
        reason="no model server: it answers 404 to GET /v1/models",
    ),
    KnownServer(
        *("a web application that answers all paths", 5000),
        {"/v1/models": b"<!doctype html>"},
        reason="no model server: what it answers to GET /v1/models is no list of models",
    ),
    KnownServer(
        *("a registry of something else", 5000),
        {"/v1/models": {"data": ["a", "b"]}},
        reason="no model server: what it answers to GET /v1/models is no list of models",
    ),
)
