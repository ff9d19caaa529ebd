"""A new version of the program beside the running one, on the same sockets (SIGUSR2), as nginx changes its own program.

Laws: the program that lies on disk now is started as this one was, with the sockets that listen; nothing is given up before
it says that it serves; one that ends, or says nothing for too long, leaves everything as it was, and the log says why.
It is nobody's child: a service manager takes a main process that is not its own for one whose end it need not wait for, and kills
it a moment after it has told it to stop (systemd 252, ``main_pid_alien``). One at a time. Nothing here waits: whoever has a loop calls ``look`` from time to time. How the old one then ends is not
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
from llm_proxy.service.takeover import PROBLEM, PROCESS, READY, STOP, VARIABLE, YOURS, Handover

log = logging.getLogger(__name__)

#: ``run-rest-api.sh`` says where it is: what it prepares, the new version needs too.
SCRIPT = "LLM_PROXY_SCRIPT"
#: How long a new version may take until it serves, in seconds: a first start of the script installs packages.
_PATIENCE = 120.0
#: Seconds between two looks at it.
LOOK = 0.02
#: Bytes of what a new version says.
_MOST = 4096
#: Run by a Python of its own: starts the new version, tells which process it is, and ends. The parent of workers holds its signals
#: back; the new version is to hear them. Arguments: what both talk by, and the command.
_STARTER = """
import os, signal, sys
channel = int(sys.argv[1])
signal.pthread_sigmask(signal.SIG_SETMASK, ())
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
child = os.fork()
if child:
    os.write(channel, b"process %d\\n" % child)
    os._exit(0)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    os.write(channel, ("problem %s: %s\\n" % (sys.argv[2], error.strerror)).encode())
    os._exit(127)
"""


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


class Upgrade:
    """``begin`` when it is asked for, then ``look`` while ``running``."""

    def __init__(self, listeners: Listeners, manager: Manager, start: Start) -> None:
        self._listeners = listeners
        self._manager = manager
        self._start = start
        #: Who starts it; not the new version itself.
        self._starter: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._said = b""
        #: The new version, when it is known.
        self._pid = 0
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
            self._starter = self._spawn(theirs, generation)
        except OSError as error:
            ours.close()
            self._fail(error.strerror or "it cannot be started")
            return
        finally:
            theirs.close()
        ours.setblocking(False)
        self._channel, self._said, self._pid = ours, b"", 0
        self._until = time.monotonic() + _PATIENCE

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
            [sys.executable, "-I", "-S", "-c", _STARTER, str(theirs.fileno()), *self._start.command],
            env={**os.environ, VARIABLE: handed.text()},
            cwd=self._start.folder or None,
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(), *(number for _, number in handed.sockets)),
        )

    def look(self) -> bool:
        """Whether the new version serves now; then this one is no more to be found, and should end."""
        channel = self._channel
        if channel is None:
            return False
        if self._starter is not None and self._starter.poll() is not None:
            self._starter = None
        ended = False
        with contextlib.suppress(BlockingIOError, ConnectionError):
            got = channel.recv(_MOST)
            ended, self._said = not got, (self._said + got)[-_MOST:]
        *lines, _ = self._said.split(b"\n")
        if not self._pid and (found := _after(PROCESS, lines)):
            self._pid = int(found)
            log.info("a new version is started", extra={"pid": self._pid})
        if READY in lines:
            # In this order: the manager believes no process but the main one.
            self._manager.tell(f"MAINPID={self._pid}")
            self._say(YOURS)
            self._listeners.give_away()
            log.info("the new version serves", extra={"pid": self._pid})
            return True
        if ended:
            self._say()
            self._fail(_after(PROBLEM, lines) or "it has ended before it served")
        elif time.monotonic() > self._until:
            self._fail(f"it did not serve within {_PATIENCE:.0f} s")
            self.cancel()
        return False

    def ended(self, pid: int, code: int) -> None:
        """For whoever takes note of every child that has ended."""
        if self._starter is not None and self._starter.pid == pid:
            self._starter.returncode = code

    def cancel(self) -> None:
        """This one ends, and so does what was not ready."""
        if self._channel is None:
            return
        self._say(STOP)
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)

    def _say(self, word: bytes = b"") -> None:
        """The last word."""
        assert self._channel is not None
        with contextlib.suppress(OSError), self._channel:
            self._channel.send(word + b"\n")
        self._channel = None

    def _fail(self, problem: str) -> None:
        self._manager.tell("READY=1")
        log.error("the new version did not start, this one goes on", extra={"problem": problem})


def _after(word: bytes, lines: Sequence[bytes]) -> str:
    """What follows ``word``."""
    return next(
        (line[len(word) :].decode("utf-8", "replace").strip() for line in lines if line.startswith(word)), ""
    )
