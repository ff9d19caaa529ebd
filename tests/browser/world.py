"""What a browser test looks at: the real program in front of doubles of every kind of upstream.

The doubles live on a loop in a thread of its own, because the browser's driver is synchronous and holds the test's thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.support import client
from tests.support.anthropic_double import AnthropicDouble
from tests.support.gemini_double import GeminiDouble
from tests.support.ollama_double import OllamaDouble
from tests.support.openai_double import OpenAIDouble
from tests.support.program import Program

T = TypeVar("T")
PATIENCE = 30.0

#: Stand in the configuration; nothing of them may reach a browser.
SECRETS = ("sk-planted-7Qx2token", "planted-header-9Zv")
#: Names of models that try to be markup, or to turn the direction of a line; the configuration refuses the second kind, clients may
#: ask for it.
MARKUP = "<img src=x onerror=window.pwned=1>"
SCRIPT = "<script>window.pwned=1</script>"
TURNED = "model-\u202etxt.exe"
LEFTWARD = "\u05d3\u05d2\u05dd-model-1"
ERRORS = (400, 401, 403, 429, 500, 503)


class Loop:
    """``with Loop() as loop: loop.run(coroutine)``: a loop in a thread of its own."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def run(self, made: Coroutine[Any, Any, T], patience: float = PATIENCE) -> T:
        """What the coroutine returns or raises."""
        return asyncio.run_coroutine_threadsafe(made, self._loop).result(patience)


class World(Loop):
    """``with World(folder) as world``: ``world.url`` is the gateway's root. ``rows`` instead of the usual models."""

    def __init__(self, folder: Path, rows: Mapping[str, Any] | str | None = None, **settings: Any) -> None:
        self.folder, self.given, self.settings = folder, rows, settings

    def __enter__(self) -> Self:
        super().__enter__()
        self._stack = AsyncExitStack()
        try:
            self.run(self._start())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(self._stack.aclose())
        super().__exit__(kind, error, trace)

    async def _start(self) -> None:
        enter = self._stack.enter_async_context
        self.openai, self.slow = await enter(OpenAIDouble()), await enter(OpenAIDouble())
        self.slow.gate = asyncio.Event()
        self.ollama, self.anthropic = await enter(OllamaDouble()), await enter(AnthropicDouble())
        self.gemini = await enter(GeminiDouble())
        self.rows = self.usual() if self.given is None else self.given
        self.program = await enter(Program(self.folder, self.rows, **self.settings))
        self.url = self.program.url.removesuffix("/api")

    def usual(self) -> dict[str, Any]:
        """Every kind of upstream, each kind of failure, and names that mean harm."""
        hosts: dict[str, Any] = {"api_type": "openai", "api_host": self.openai.base}
        hosts |= {"api_token": SECRETS[0], "headers": {"X-Planted": SECRETS[1]}}
        named = {name: {"model": "gpt-double"} for name in ("words", MARKUP, SCRIPT, LEFTWARD)}
        return {
            "demo": {"demo": {}},
            "openai-double": {
                "defaults": hosts,
                **named,
                "dies": {},
                "mute": {},
                **{f"error-{status}": {} for status in ERRORS},
            },
            "slow-double": {
                "defaults": {"api_type": "openai", "api_host": self.slow.base},
                "slow": {"model": "gpt-double"},
            },
            "ollama-double": {
                "defaults": {"api_type": "ollama", "api_host": self.ollama.url},
                "qwen": {"model": "qwen3:8b"},
            },
            "anthropic-double": {
                "defaults": {"api_type": "anthropic", "api_host": self.anthropic.url},
                "claude": {"model": "claude-double-4-5"},
            },
            "gemini-double": {
                "defaults": {"api_type": "gemini", "api_host": self.gemini.url},
                "gemini": {"model": "gemini-3-double"},
            },
            "nobody": {
                "defaults": {"api_type": "openai", "api_host": "http://127.0.0.1:9/v1"},
                "unreachable": {},
            },
        }

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> client.Answer:
        """A request of somebody who is no browser."""
        return self.run(client.request(self.url, method, path, body, headers=headers))

    def chat(self, model: str, **more: Any) -> client.Answer:
        """One chat, whole."""
        body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}], **more}
        return self.ask("POST", "/v1/chat/completions", body)

    def edit(self, rows: Mapping[str, Any] | str) -> None:
        """Save the configuration."""
        self.program.write_config(rows)

    def open_gate(self) -> None:
        """What the slow double holds back goes on."""

        async def go() -> None:
            assert self.slow.gate is not None
            self.slow.gate.set()
            self.slow.gate = asyncio.Event()

        self.run(go())
