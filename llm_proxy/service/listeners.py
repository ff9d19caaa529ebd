"""The sockets that the service listens on: taken once, before anything is forked, and inherited by every worker.

Laws: one list of places for all ports; what a service manager hands us is taken instead of them, as it is; a place that
cannot be had leaves none taken. What is served behind a door is not known here.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from llm_proxy.clients.binding import SocketFile, listen_unix, name_of, url_of
from llm_proxy.service.port_choice import listen_on, listen_on_usual
from llm_proxy.service.systemd import Passed
from llm_proxy.settings import Settings
from llm_proxy.wire.listen_on import Places

#: The name of a passed socket that is Ollama's port (``FileDescriptorName=`` in the socket unit).
OLLAMA = "ollama"
#: The same for the port of the metrics.
METRICS = "metrics"


@dataclass(frozen=True, slots=True)
class Listeners:
    """``main`` leads to everything; ``ollama``, which may be empty, to Ollama's API alone, at the root, ``metrics``
    to ``/metrics``. ``files``: those of Unix sockets that we have made; ``secure``: whether TLS is spoken on ports."""

    main: list[socket.socket]
    ollama: list[socket.socket]
    secure: bool = False
    files: list[SocketFile] = field(default_factory=list)
    metrics: list[socket.socket] = field(default_factory=list)
    #: Who may remove ``files``.
    owner: int = field(default_factory=os.getpid)

    @classmethod
    def open(
        cls, settings: Settings, passed: Sequence[Passed] = (), files: Sequence[SocketFile] = ()
    ) -> Self:
        """Listen. ``files``: those of passed Unix sockets that are ours to remove. Raises ``StartError``."""
        places = Places.of(settings.host)
        found = cls(
            [given.listening for given in passed if given.name not in (OLLAMA, METRICS)],
            [given.listening for given in passed if given.name == OLLAMA],
            settings.tls_cert is not None,
            [*files],
            metrics=[given.listening for given in passed if given.name == METRICS],
        )
        with contextlib.ExitStack() as undo:
            undo.callback(found.close)
            if not found.main:
                found._listen(places, settings)
            if settings.ollama_port is not None and not found.ollama:
                found.ollama.extend(listen_on(places.hosts, settings.ollama_port, "ollama_port"))
            if settings.metrics_port is not None and not found.metrics:
                found.metrics.extend(listen_on(places.hosts, settings.metrics_port, "metrics_port"))
            undo.pop_all()
        return found

    def _listen(self, places: Places, settings: Settings) -> None:
        """On the places of the settings, for everything."""
        if places.hosts and settings.port_asked:
            self.main.extend(listen_on(places.hosts, settings.port, "port"))
        elif places.hosts:
            others = (settings.ollama_port, settings.metrics_port)
            self.main.extend(listen_on_usual(places.hosts, settings.port, others))
        for path in places.paths:
            listening, file = listen_unix(path, int(settings.unix_mode, 8))
            self.main.append(listening)
            self.files.append(file)

    @property
    def ollama_url(self) -> str | None:
        """What its clients take as their host."""
        return url_of(self.ollama, "", secure=self.secure) if self.ollama else None

    @property
    def metrics_url(self) -> str | None:
        """What a scraper asks for."""
        return url_of(self.metrics, "/metrics", secure=self.secure) if self.metrics else None

    @property
    def addresses(self) -> list[str]:
        """Those that are bound."""
        names = [listening.getsockname() for listening in self._all]
        return [str(name[0]) for name in names if isinstance(name, tuple)]

    @property
    def ports(self) -> frozenset[int]:
        """Those that are bound."""
        names = [listening.getsockname() for listening in self._all]
        return frozenset(int(name[1]) for name in names if isinstance(name, tuple))

    @property
    def _all(self) -> tuple[socket.socket, ...]:
        return (*self.main, *self.ollama, *self.metrics)

    def named(self) -> list[tuple[str, socket.socket]]:
        """All of them, as they are passed on."""
        return [
            *(("main", listening) for listening in self.main),
            *((OLLAMA, listening) for listening in self.ollama),
            *((METRICS, listening) for listening in self.metrics),
        ]

    def give_away(self) -> None:
        """Another program has them now: the files stay."""
        self.files.clear()

    def urls(self, prefix: str) -> dict[str, object]:
        """Where the service is reached, for the log; ``also``: the other places."""
        found: dict[str, object] = {"url": url_of(self.main, prefix, secure=self.secure)}
        if self.ollama_url is not None:
            found["ollama_url"] = self.ollama_url
        if self.metrics_url is not None:
            found["metrics_url"] = self.metrics_url
        others = [
            name_of(listening) for listening in self.main if name_of(listening) not in str(found["url"])
        ]
        return {**found, "also": others} if others else found

    def remove_files(self) -> None:
        """So that nobody tries to connect any more."""
        if os.getpid() == self.owner:
            for file in self.files:
                file.remove()

    def close(self) -> None:
        """Listen no more, in this process."""
        self.remove_files()
        self.close_sockets()

    def close_sockets(self) -> None:
        """The same, but clients that know only files may still find other processes."""
        for listening in self._all:
            listening.close()
