"""The product in the test's own process: the real service on a real socket, with files of its own."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from llm_proxy.service.listeners import Listeners
from llm_proxy.service.server import Service
from llm_proxy.settings import Settings
from tests.support.client import Answer, request

#: Enough for the conversation endpoints.
PROMPTS = {
    "en/conversation.prompt": "You are a helpful assistant.",
    "pl/conversation.prompt": "Jesteś pomocnym asystentem.",
    "en/tone.prompt": "Write in a {{ tone }} tone.",
    "en/only-english.prompt": "English only.",
}


class RunningGateway:
    """``async with RunningGateway(tmp_path, config) as gateway``: listens on a free port, below ``/api``."""

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any],
        *,
        prompts: Mapping[str, str] = PROMPTS,
        env: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> None:
        self.config_file = folder / "models-config.json"
        self.prompts_dir = folder / "prompts"
        self.write_config(config)
        for name, text in prompts.items():
            self.write_prompt(name, text)
        self.env = dict(env or {})
        flags = {"port": "0", "models_config": str(self.config_file), "prompts_dir": str(self.prompts_dir)}
        flags.update({name: str(value) for name, value in settings.items()})
        self.settings = Settings.read({}, flags)
        self.service: Service
        self.origin = ""
        self.url = ""

    async def __aenter__(self) -> Self:
        self.service = Service(self.settings, self.env)
        self.listeners = listeners = Listeners.open(self.settings)
        self.service.start(listeners)
        self.origin = f"http://127.0.0.1:{listeners.main[0].getsockname()[1]}"
        self.url = self.origin + self.settings.ep_prefix
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        at_once = asyncio.Event()
        at_once.set()
        await self.service.stop(at_once)

    def narrow(self) -> Self:
        """From now on the kernel takes kilobytes of an answer, and not megabytes, for a client that does not read."""
        for listening in self.listeners.main:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768)  # what it accepts inherits it
        return self

    def write_config(self, config: Mapping[str, Any] | str) -> None:
        """Replace the configuration in one step, as a careful editor does."""
        text = config if isinstance(config, str) else json.dumps(config)
        temporary = self.config_file.with_suffix(".new")
        temporary.write_text(text, "utf-8")
        os.replace(temporary, self.config_file)

    def write_prompt(self, name: str, text: str) -> None:
        """Write one prompt file, ``language/id.prompt``."""
        path = self.prompts_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    async def request(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        """One request below the prefix."""
        return await request(self.url, method, path, body, **more)
