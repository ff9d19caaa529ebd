"""The real program as a process of its own, with files of its own, its log read back line by line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.client import request
from tests.support.loops import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent

#: A machine with two busy cores starts a process in a second or two; nothing here should take so long.
PATIENCE = 20.0


class Program:
    """``async with Program(tmp_path, config, workers=2) as program``: started, and listening on a free port.

    Settings are given as environment variables. With ``expect="end"`` it is not waited for: the process is expected
    to end by itself. ``tree``: the checkout that is run.
    """

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any] | str,
        *,
        module: tuple[str, ...] = ("llm_proxy.rest_api",),
        expect: str = "listening",
        tree: Path = ROOT,
        **settings: Any,
    ) -> None:
        self.folder, self.expect, self.module, self.tree = folder, expect, module, tree
        self.config_file, self.prompts_dir = folder / "models-config.json", folder / "prompts"
        self.stderr = folder / "stderr"
        (self.prompts_dir / "en").mkdir(parents=True, exist_ok=True)
        (self.prompts_dir / "en" / "conversation.prompt").write_text("Be kind.")
        self.write_config(config)
        self.settings: dict[str, Any] = {
            "minimum": 1,
            "port": 0,
            "models_config": self.config_file,
            "prompts_dir": self.prompts_dir,
            "log_format": "json",
            **settings,
        }
        self.url = ""
        self.process: subprocess.Popen[bytes]

    async def __aenter__(self) -> Self:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("LLM_PROXY")}
        given = {f"LLM_PROXY_API_{key.upper()}": str(value) for key, value in self.settings.items()}
        with self.stderr.open("wb") as stderr:
            self.process = subprocess.Popen(  # noqa: ASYNC220 (it returns at once)
                [sys.executable, "-m", *self.module],
                cwd=self.tree,
                env=kept | given,
                stdin=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
        if self.expect == "listening":
            try:
                await wait_until(lambda: self.lines("listening") or self.process.poll() is not None, PATIENCE)
            except AssertionError:
                await self.__aexit__(None, None, None)
                raise

            assert self.lines("listening"), self.stderr.read_text()
            self.url = self.lines("listening")[0]["url"]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # also what an end without its parent has left
        except ProcessLookupError:
            pass
        self.process.wait(PATIENCE)

    @property
    def pid(self) -> int:
        """The process that was started."""
        return self.process.pid

    def write_config(self, config: Mapping[str, Any] | str) -> None:
        """Replace the configuration in one step, as a careful editor does."""
        temporary = self.config_file.with_suffix(".new")
        temporary.write_text(config if isinstance(config, str) else json.dumps(config), "utf-8")
        os.replace(temporary, self.config_file)

    def lines(self, message: str | None = None) -> list[dict[str, Any]]:
        """The log so far, every line of it JSON; with ``message`` only those lines."""
        whole = [line for line in self.stderr.read_text().splitlines(keepends=True) if line.endswith("\n")]
        found = [json.loads(line) for line in whole if line.startswith("{")]
        return [line for line in found if message in (None, line["message"])]

    def plain(self) -> list[str]:
        """What was printed for people: the lines that are no log."""
        return [line for line in self.stderr.read_text().splitlines() if not line.startswith("{")]

    async def logged(self, message: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until that was logged so often."""
        await wait_until(lambda: len(self.lines(message)) >= count, PATIENCE)
        return self.lines(message)

    def signal(self, number: int) -> None:
        """Send a signal to the process that was started."""
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait for the end; the exit status."""
        await wait_until(lambda: self.process.poll() is not None, PATIENCE)
        assert self.process.returncode is not None
        return self.process.returncode

    async def status(self) -> dict[str, Any]:
        """``/status`` of whichever process answers."""
        got = await request(self.url, "GET", "/status")

        assert got.status == 200, got
        found: dict[str, Any] = got.json()
        return found

    def children(self) -> list[int]:
        """The worker processes that are there now."""
        tasks = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in tasks.read_text().split()]


def is_alive(pid: int) -> bool:
    """Whether that process is there, and not only its grave."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
