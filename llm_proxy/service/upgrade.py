"""A new version of the program beside the running one, on the same sockets (SIGUSR2), as nginx changes its own program.

Laws: the program that lies on disk now is started as this one was, with the sockets that listen; nothing is given up before
it says that it serves; one that ends, or says nothing for too long, leaves everything as it was, and the log says why.
One at a time. Nothing here waits: whoever has a loop calls ``look`` from time to time. How the old one then ends is not
known here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from llm_proxy.service.listeners import Listeners
from llm_proxy.service.manager_reports import reloading
from llm_proxy.service.systemd import Manager
from llm_proxy.service.takeover import PROBLEM, READY, VARIABLE, YOURS, Handover

log = logging.getLogger(__name__)

#: ``run-rest-api.sh`` says where it is: what it prepares, the new version needs too.
SCRIPT = "LLM_PROXY_SCRIPT"
#: How long a new version may take until it serves, in seconds: a first start of the script installs packages.
_PATIENCE = 120.0
#: Seconds between two looks at it.
LOOK = 0.02
#: Bytes of what a new version says.
_MOST = 4096


@dataclass(frozen=True, slots=True)
class Start:
    """How this process was started: ``command``, in the directory ``folder`` ("": there is none any more)."""

    command: tuple[str, ...]
    folder: str

    @classmethod
    def of_this(cls) -> Self:
        """Call before anybody changes the directory."""
        return cls(
            tuple(command_of(os.environ, sys.executable, sys.orig_argv, sys.argv)),
            _folder(os.environ.get("PWD", "")),
        )


def command_of(
    env: Mapping[str, str], executable: str, original: Sequence[str], arguments: Sequence[str]
) -> list[str]:
    """``original``, ``arguments``: ``sys.orig_argv``, ``sys.argv``. A script is started by itself, so that the Python that
    its first line names *now* runs it: that of another environment, if a link leads to one."""
    script = env.get(SCRIPT, "")
    if script and os.access(script, os.X_OK):
        return [script, *arguments[1:]]
    if original[1:2] == [arguments[0]] and _is_script(arguments[0]):
        return [arguments[0], *arguments[1:]]
    return [executable, *original[1:]]


def _is_script(path: str) -> bool:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(2) == b"#!" and os.access(path, os.X_OK)
    return False


def _folder(logical: str) -> str:
    """By the name that it was reached by: behind a link that leads to another release by now, that one is to be run."""
    try:
        here = os.getcwd()
    except OSError:
        return ""
    with contextlib.suppress(OSError):
        if logical and os.path.samefile(here, logical):
            return logical
    return here


def _hear_signals() -> None:
    """The parent of workers holds its signals back, and what it starts would never hear any. It has one thread, so this may run
    after the fork."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


class Upgrade:
    """``begin`` when it is asked for, then ``look`` while ``running``."""

    def __init__(self, listeners: Listeners, manager: Manager, start: Start) -> None:
        self._listeners = listeners
        self._manager = manager
        self._start = start
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._said = b""
        self._until = 0.0

    @property
    def running(self) -> bool:
        """Whether a new version is being started."""
        return self._channel is not None

    def begin(self, generation: tuple[int, str]) -> None:
        """Start it. ``generation``: number and hash of the configuration that runs here."""
        if self.running:
            log.warning("a new version is being started already")
            return
        if os.getpid() == 1:
            log.error(
                "the new version cannot be started",
                extra={"problem": "process 1 of a container cannot be replaced: start a new container"},
            )
            return
        self._manager.tell(*reloading())
        ours, theirs = socket.socketpair()
        try:
            self._process = self._spawn(theirs, generation)
        except OSError as error:
            ours.close()
            self._fail(error.strerror or "it cannot be started")
            return
        finally:
            theirs.close()
        ours.setblocking(False)
        self._channel, self._said = ours, b""
        self._until = time.monotonic() + _PATIENCE
        log.info("a new version is started", extra={"pid": self._process.pid})

    def _spawn(self, theirs: socket.socket, generation: tuple[int, str]) -> subprocess.Popen[bytes]:
        sockets = self._listeners.named()
        handed = Handover(
            theirs.fileno(),
            tuple((name, listening.fileno()) for name, listening in sockets),
            tuple(self._listeners.files),
            self._manager.notify,
            self._manager.watchdog,
            generation,
        )
        return subprocess.Popen(  # noqa: S603 (what this process was started by)
            self._start.command,
            env={**os.environ, VARIABLE: handed.text()},
            cwd=self._start.folder or None,
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(), *(number for _, number in handed.sockets)),
            preexec_fn=_hear_signals if signal.pthread_sigmask(signal.SIG_BLOCK, ()) else None,
        )

    def look(self) -> bool:
        """Whether the new version serves now; then this one is no more to be found, and should end."""
        channel, process = self._channel, self._process
        if channel is None or process is None:
            return False
        with contextlib.suppress(BlockingIOError, ConnectionError):
            self._said = (self._said + channel.recv(_MOST))[-_MOST:]
        code = process.poll()
        if self._said.startswith(READY):
            # In this order: the manager believes no process but the main one.
            self._manager.tell(f"MAINPID={process.pid}")
            with contextlib.suppress(OSError):
                channel.send(YOURS)
            self._close()
            self._listeners.give_away()
            process.returncode = 0  # it is no child of ours any more, as far as we care
            log.info("the new version serves", extra={"pid": process.pid})
            return True
        if code is not None:
            self._close()
            self._fail(self._reason(code))
        elif time.monotonic() > self._until:
            self._fail(f"it did not serve within {_PATIENCE:.0f} s")
            self.cancel()
        return False

    def ended(self, pid: int, code: int) -> None:
        """For whoever takes note of every child that has ended."""
        if self._process is not None and self._process.pid == pid:
            self._process.returncode = code

    def cancel(self) -> None:
        """This one ends, and so does what was not ready."""
        if self._channel is None or self._process is None:
            return
        self._close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGTERM)
        self._process.returncode = 0

    def _reason(self, code: int) -> str:
        """Why it has ended, in its own words if it found some."""
        if self._said.startswith(PROBLEM):
            return self._said.removeprefix(PROBLEM).decode("utf-8", "replace").strip()
        return f"exit status {code}" if code >= 0 else f"signal {-code} ({signal.strsignal(-code)})"

    def _fail(self, problem: str) -> None:
        self._manager.tell("READY=1")
        log.error("the new version did not start, this one goes on", extra={"problem": problem})

    def _close(self) -> None:
        if self._channel is not None:
            self._channel.close()
        self._channel = None
