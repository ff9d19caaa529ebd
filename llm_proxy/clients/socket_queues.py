"""What the kernel holds of a connection: bytes that came and were not read, bytes that were sent and not taken.

Laws: a question costs one system call and changes nothing; where the kernel cannot be asked the answer is 0.
"""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios

_INT = struct.Struct("i")


def unread(transport: asyncio.BaseTransport) -> int:
    """Bytes that have come and that nobody has read yet."""
    return _ask(transport, termios.FIONREAD)


def untaken(transport: asyncio.WriteTransport) -> int:
    """Bytes that were written and that the other side's kernel has not taken yet, wherever they wait."""
    return transport.get_write_buffer_size() + _ask(transport, termios.TIOCOUTQ)  # tcp(7): SIOCOUTQ


def _ask(transport: asyncio.BaseTransport, request: int) -> int:
    socket = transport.get_extra_info("socket")
    try:
        (found,) = _INT.unpack(fcntl.ioctl(socket.fileno(), request, bytes(_INT.size)))
    except (
        AttributeError,
        OSError,
        ValueError,
    ):  # there is none, it is closed, or of a kind that cannot tell
        return 0
    return int(found)
