"""What an upstream said before our own write failed.

A server that refuses a large body answers, and closes with our bytes unread, which resets the connection. The answer
is in the socket's receive buffer then (Linux keeps it after a reset), but asyncio and uvloop close the socket as soon
as a write fails, unread. A second descriptor for the same socket lets us read it.

Laws: only for bodies that do not fit into one write, and only without TLS, whose records nobody could decrypt any
more; the second descriptor is closed together with the first, else the connection would stay open.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

#: More than an error answer needs; a longer one could not be read whole anyway.
MAX_BYTES = 256 * 1024


class EarlyResponse:
    """The second descriptor. Does nothing where there can be none."""

    __slots__ = ("_socket",)

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self._socket: socket.socket | None = None
        if transport.get_extra_info("sslcontext") is None:
            with suppress(OSError):  # out of descriptors: then without
                self._socket = transport.get_extra_info("socket").dup()
        if self._socket is not None:
            self._socket.setblocking(False)

    def read(self) -> bytes:
        """What has arrived and was not read."""
        found = bytearray()
        with suppress(OSError):  # also: nothing more, would block
            while self._socket is not None and len(found) < MAX_BYTES:
                data = self._socket.recv(65536)
                if not data:
                    break
                found += data
        return bytes(found)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
