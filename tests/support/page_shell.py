"""Where the commands of pages are run: the product as shipped, and for each page a directory of its own with a copy of ``resources/``.

``Shipped(folder)`` is started once; ``shell(folder)`` makes a page's directory. The address of the pages means the gateway that was started;
``llm-proxy`` and ``python`` are those of this checkout; a curl that gets an error status fails.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parent.parent.parent
#: The address that the pages tell.
TOLD = "http://127.0.0.1:8080"
#: A page's commands take a second or two; on a machine that does much else, a minute. Only what hangs takes so long.
_PATIENCE = 300

_TOOLS = {
    "llm-proxy": f'exec "{sys.executable}" -m llm_proxy "$@"',
    "python": f'exec "{sys.executable}" "$@"',
    "curl": 'PATH=${PATH#*:} exec curl -sS --fail-with-body "$@"',
}


class Shipped:
    """The gateway with ``resources/``: it knows the model ``demo`` alone. ``folder`` holds its ledger and its log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LLM_PROXY_API_")}
        self.env = kept | {
            "PYTHONPATH": str(ROOT),
            "LLM_PROXY_API_MINIMUM": "1",
            "LLM_PROXY_API_STATE": str(folder / "state"),
        }
        self.origin = ""

    def __enter__(self) -> Self:
        log = self.folder / "log"
        env = self.env | {
            "LLM_PROXY_API_PORT": "0",
            "LLM_PROXY_API_LOG_FORMAT": "json",
            "LLM_PROXY_API_DISCOVER": "0",
        }
        with log.open("wb") as stderr:
            command = [sys.executable, "-m", "llm_proxy", "serve"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=env, stderr=stderr)
        deadline = time.monotonic() + _PATIENCE
        while not (said := re.search(r'^.*"message":"listening".*$', log.read_text("utf-8"), re.MULTILINE)):
            assert self.process.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < deadline, "it does not listen"
            time.sleep(0.05)
        self.origin = json.loads(said[0])["url"].removesuffix("/api")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()

    def shell(self, folder: Path) -> Callable[[str], str]:
        """What runs the commands of one page, in order, in ``folder``."""
        shutil.copytree(ROOT / "resources", folder / "resources")
        tools = folder / ".tools"
        tools.mkdir()
        for name, script in _TOOLS.items():
            (tools / name).write_text(f"#!/usr/bin/env bash\n{script}\n", "utf-8")
            (tools / name).chmod(0o755)
        env = self.env | {"HOME": str(folder), "PATH": f"{tools}:{os.environ['PATH']}"}

        def run(script: str) -> str:
            here = script.replace(TOLD, self.origin)
            here = re.sub(r"(?m)(^|(?<=\s))\./\.venv/bin/(?=python|llm-proxy)", "", here)
            command = ["bash", "-euo", "pipefail", "-c", here]
            done = subprocess.run(
                command, cwd=folder, env=env, capture_output=True, text=True, timeout=_PATIENCE, check=False
            )
            assert done.returncode == 0, f"{here}\n{done.stdout}{done.stderr}"
            return done.stdout

        return run
