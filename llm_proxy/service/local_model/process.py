"""Runs the local model in a child process, and tells where it is reached.

Laws: one child at a time; it listens on loopback, on a port that the system picks; it is started by the thread that lives
as long as the process (the kernel's word that a parent has ended is about the thread that has started the child); one that
dies is started again, ever more slowly. ``on_change`` is called on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from llm_proxy.service.local_model.packages import MODEL, LocalFiles

log = logging.getLogger(__name__)

_CHILD = Path(__file__).with_name("child.py")
#: How long it may take to load, in seconds; of what it prints before, the last so many bytes are kept.
_PATIENCE, _KEPT = 120.0, 4096
#: The first and the longest pause before it is started again, in seconds; one that lived for so long begins anew.
_PAUSE, _LONGEST, _WELL = 1.0, 60.0, 60.0


class LocalModel:
    """``start()`` and ``stop()`` on the event loop. ``url``: the base address without a path, empty while it is away."""

    def __init__(self, files: LocalFiles) -> None:
        self._files = files
        self.url = ""
        #: Why it is not there, if it is not.
        self.problem = ""
        self.on_change: Callable[[], None] = lambda: None
        #: Set when the first start has ended, one way or the other.
        self.settled = asyncio.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._loop: asyncio.AbstractEventLoop
        self._timer: asyncio.TimerHandle | None = None
        self._pause, self._begun, self._stopped = _PAUSE, 0.0, False

    @property
    def pid(self) -> int | None:
        """The child's."""
        return self._process.pid if self._process else None

    def providers(self) -> dict[str, Any]:
        """What ``models-config.json`` would have for it."""
        if not self.url:
            return {}
        defaults = {"api_type": "openai", "vendor": "llamacpp", "api_host": f"{self.url}/v1"}
        return {"local": {"defaults": defaults, MODEL: {}}}

    def start(self) -> None:
        """Run it from now on."""
        self._loop = asyncio.get_running_loop()
        self._spawn()

    def stop(self) -> None:
        """End it."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self._process is not None:
            self._process.kill()

    def _spawn(self) -> None:
        self._begun = time.monotonic()
        command = [
            *(sys.executable, "-I", str(_CHILD), str(self._files.model), "--alias", MODEL),
            *("--packages", str(self._files.packages), "--parent", str(os.getpid())),
            *("--threads", str(threads())),
        ]
        try:
            process = subprocess.Popen(  # noqa: S603 (our own program)
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is ours to obey: running answers are finished first
            )
        except OSError as error:
            self._ended(error.strerror or "it cannot be started")
            return
        self._process = process
        threading.Thread(target=self._watch, args=(process,), name="local-model", daemon=True).start()

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """In a thread: what the child says, and its end."""
        assert process.stdout is not None
        timer = threading.Timer(_PATIENCE, process.kill)
        timer.daemon = True
        timer.start()
        said = self._listen(process.stdout)
        timer.cancel()
        code = process.wait()
        process.stdout.close()
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        self._tell(self._ended, f"the local model has ended: {how}" + (f" ({said})" if said else ""))

    def _listen(self, output: IO[bytes]) -> str:
        """Until nothing more comes. Returns the last words of a child that did not come up."""
        said = b""
        while data := os.read(output.fileno(), 65536):
            said = (said + data)[-_KEPT:]
            for line in said.splitlines(keepends=True):
                if line.startswith(b"READY http://127.0.0.1:") and line.endswith(b"\n"):
                    self._tell(self._up, line.decode().split()[1])
                    return ""
        lines = said.decode("utf-8", "replace").strip().splitlines()
        return "".join(c for c in lines[-1] if c.isprintable())[:200] if lines else ""

    def _tell(self, what: Callable[[str], None], text: str) -> None:
        try:
            self._loop.call_soon_threadsafe(what, text)
        except RuntimeError:
            return  # the loop is closed: the process ends

    def _up(self, url: str) -> None:
        self.url, self.problem = url, ""
        seconds = round(time.monotonic() - self._begun, 2)
        log.info("the local model is ready", extra={"model": MODEL, "pid": self.pid, "seconds": seconds})
        self.settled.set()
        self.on_change()

    def _ended(self, why: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None
        if self._stopped:
            return
        was_up, self.url, self.problem = bool(self.url), "", why
        if time.monotonic() - self._begun > _WELL:
            self._pause = _PAUSE
        pause, self._pause = self._pause, min(_LONGEST, 2 * self._pause)
        log.error("the local model is not there", extra={"problem": why, "restart_in": pause})
        self._timer = self._loop.call_later(pause, self._spawn)
        self.settled.set()
        if was_up:
            self.on_change()


def threads() -> int:
    """All cores but one: threads that wait for a core that is busy cost far more than they bring."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1)
