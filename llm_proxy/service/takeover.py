"""What a running program hands to the one that takes its place (``upgrade``), and how the new one takes it.

Laws: the value travels in one variable of the environment, which is meant for one process and taken out; fields that nobody
knows are passed over, so that versions may differ. What cannot be taken ends the start in a sentence, and the running
program goes on. The new one says that it serves when it does, and then waits a moment for the word that it is the main
one now; without it (the old one is dead) it goes on all the same, unless it is told that there is to be none.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from llm_proxy.clients.binding import SocketFile
from llm_proxy.clients.http_server import StartError
from llm_proxy.live.state.generations import Generations
from llm_proxy.service.systemd import Manager, Passed, adopt

VARIABLE = "LLM_PROXY_HANDOVER"
_FORM = 1
#: What the two say to each other, in lines: the new version, or who starts it; and the old one.
PROCESS, READY, PROBLEM = b"process ", b"ready", b"problem "
YOURS, STOP = b"yours", b"stop"
#: Seconds in which the old one says that it has heard us.
_WORD = 5.0


@dataclass(frozen=True, slots=True)
class Handover:
    """``channel``: the descriptor of our end of what both talk by. ``sockets``: name and descriptor of each that listens.
    ``files``: those of Unix sockets, which are the new one's to remove. ``notify``, ``watchdog``: see ``systemd.Manager``.
    ``generation``: number and hash of the configuration that runs."""

    channel: int
    sockets: tuple[tuple[str, int], ...]
    files: tuple[SocketFile, ...] = ()
    notify: str | None = None
    watchdog: float | None = None
    generation: tuple[int, str] = (0, "")

    def text(self) -> str:
        """As the variable holds it."""
        return json.dumps(
            {
                "form": _FORM,
                "channel": self.channel,
                "sockets": self.sockets,
                "files": [[file.path, file.device, file.inode] for file in self.files],
                "notify": self.notify,
                "watchdog": self.watchdog,
                "generation": self.generation,
            }
        )

    @classmethod
    def read(cls, text: str) -> Handover:
        """Raises ``ValueError``."""
        try:
            found: dict[str, Any] = json.loads(text)
            if found["form"] != _FORM:
                raise ValueError(f"form {found['form']!r} is not known here")
            number, digest = found["generation"]
            return cls(
                int(found["channel"]),
                tuple((str(name), int(descriptor)) for name, descriptor in found["sockets"]),
                tuple(SocketFile(str(path), int(dev), int(inode)) for path, dev, inode in found["files"]),
                None if found["notify"] is None else str(found["notify"]),
                None if found["watchdog"] is None else float(found["watchdog"]),
                (int(number), str(digest)),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("a field is missing or of another type") from error


class Predecessor:
    """The program in whose place we come."""

    def __init__(self, given: Handover, channel: socket.socket, manager: Manager) -> None:
        self.manager = manager
        self.files = given.files
        self._generation = given.generation
        self._channel = channel

    @classmethod
    def of(cls, env: MutableMapping[str, str]) -> Predecessor | None:
        """None if nobody was before us. Takes the variable out of ``env``. Raises ``StartError``."""
        text = env.pop(VARIABLE, None)
        if text is None:
            return None
        try:
            given = Handover.read(text)
            channel = socket.socket(fileno=given.channel)
        except (ValueError, OSError) as error:
            raise StartError(
                f"{VARIABLE}: what the running program hands over is not understood: {error}"
            ) from None
        channel.set_inheritable(False)
        channel.settimeout(_WORD)
        passed = tuple(Passed(name, adopt(number, name, VARIABLE)) for name, number in given.sockets)
        return cls(given, channel, Manager(given.notify, given.watchdog, passed))

    def generations(self) -> Generations:
        """Numbers that go on where the old one's are."""
        return Generations(*self._generation)

    def ready(self) -> None:
        """Say that we serve; returns when the old one has heard it. Blocking, for a moment. Raises ``StartError`` if that one
        has been told to stop meanwhile."""
        said = b""
        with contextlib.suppress(OSError), self._channel:
            self._channel.sendall(READY + b"\n")
            said = self._channel.recv(len(YOURS))
        if said.startswith(STOP):
            raise StartError("the program that has started this one was told to stop")

    def failed(self, problem: str) -> None:
        """Say why we do not."""
        with contextlib.suppress(OSError), self._channel:
            self._channel.sendall(PROBLEM + problem.encode("utf-8", "replace")[:2000] + b"\n")
