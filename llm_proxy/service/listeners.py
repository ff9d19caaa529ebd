"""The sockets that the service listens on: taken once, before anything is forked, and inherited by every worker.

Laws: one host for all; a port that cannot be had leaves none taken. What is served behind a door is not known here.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Self

from llm_proxy.clients.http_server import StartError, listen, url_of
from llm_proxy.settings import Settings


@dataclass(frozen=True, slots=True)
class Listeners:
    """``main`` leads to everything; ``ollama``, which may be empty, to Ollama's API alone, at the root."""

    main: list[socket.socket]
    ollama: list[socket.socket]

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Listen. Raises ``StartError``."""
        main = listen(settings.host, settings.port)
        if settings.ollama_port is None:
            return cls(main, [])
        try:
            return cls(main, listen(settings.host, settings.ollama_port))
        except StartError:
            cls(main, []).close()
            raise

    @property
    def ollama_url(self) -> str | None:
        """What its clients take as their host."""
        return url_of(self.ollama, "") if self.ollama else None

    @property
    def addresses(self) -> list[str]:
        """Those that are bound."""
        names = [listening.getsockname() for listening in (*self.main, *self.ollama)]
        return [str(name[0]) for name in names if isinstance(name, tuple)]

    def urls(self, prefix: str) -> dict[str, str]:
        """Where the service is reached, for the log."""
        found = {"url": url_of(self.main, prefix)}
        return found if self.ollama_url is None else {**found, "ollama_url": self.ollama_url}

    def close(self) -> None:
        """Listen no more, in this process."""
        for listening in (*self.main, *self.ollama):
            listening.close()
