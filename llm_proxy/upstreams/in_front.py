"""Who stands in front of a connection, between it and its transport, and sees each read first.

Laws: what it does not take is handed to the connection as if nobody had been there, and so is all else that the transport
tells. It is put there by the request that the connection carries, and is gone before the connection carries another.
"""

from __future__ import annotations

import asyncio


class InFront(asyncio.Protocol):
    """See the module."""

    __slots__ = ("behind", "wanted")

    #: The connection.
    behind: asyncio.Protocol

    def __init__(self) -> None:
        #: Set while the connection's sink runs, to which the read was of no further consequence: it may be opened, if the parser too
        #: has nothing left of it.
        self.wanted = True

    def open(self) -> None:
        """The next read begins with a chunk, and nothing that came before is left to be handed on: it may be taken, and so may each
        that follows one that was."""
        raise NotImplementedError

    def shut(self) -> None:
        """Nothing may be taken before ``open`` is called again."""
        raise NotImplementedError

    def eof_received(self) -> bool | None:
        return self.behind.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.behind.connection_lost(exc)

    def pause_writing(self) -> None:
        self.behind.pause_writing()

    def resume_writing(self) -> None:
        self.behind.resume_writing()
