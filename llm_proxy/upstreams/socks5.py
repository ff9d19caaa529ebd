"""SOCKS5 (RFC 1928) with user and password (RFC 1929): what a client says, and what the answers mean.

Laws: pure; exactly the bytes of each answer are asked for, so that nothing of the tunnel is ever read here. Messages name
neither the destination nor the credentials.
"""

from __future__ import annotations

import socket
from collections.abc import Generator
from typing import Literal

#: What to send, and how many bytes of an answer to come back with.
Step = tuple[bytes, int]

_NONE, _PASSWORD = 0, 2
_IPV4, _NAME, _IPV6 = 1, 3, 4
_Kind = Literal["refused", "unreachable", "timeout", "protocol"]
#: RFC 1928, section 6.
_REPLIES: dict[int, tuple[_Kind, str]] = {
    1: ("protocol", "general failure"),
    2: ("protocol", "not allowed by its rules"),
    3: ("unreachable", "network unreachable"),
    4: ("unreachable", "host unreachable"),
    5: ("refused", "connection refused"),
    6: ("timeout", "time to live expired"),
    7: ("protocol", "it does not know CONNECT"),
    8: ("unreachable", "it does not know this type of address"),
}


class SocksError(Exception):
    """The proxy will not; ``kind`` is one of ``faults``. It is ``protocol`` unless another address may do."""

    def __init__(self, kind: _Kind, message: str) -> None:
        super().__init__(message)
        self.kind: _Kind = kind


def connect(host: str, port: int, login: tuple[bytes, bytes] | None) -> Generator[Step, bytes, None]:
    """Ask for a tunnel to ``host``, a numeric address or a name. Raises ``SocksError``."""
    destination = _destination(host)
    methods = bytes([_NONE] if login is None else [_NONE, _PASSWORD])
    version, method = yield b"\x05" + bytes([len(methods)]) + methods, 2
    if version != 5:
        raise SocksError("protocol", "it does not speak SOCKS5")
    if method not in methods:
        wanted = (
            "user and password" if method in (_PASSWORD, 255) and login is None else "another authentication"
        )
        raise SocksError("protocol", f"it wants {wanted}")
    if method == _PASSWORD:
        assert login is not None
        user, password = login
        said = b"\x01" + bytes([len(user)]) + user + bytes([len(password)]) + password
        _, status = yield said, 2
        if status:
            raise SocksError("protocol", "it refused user and password")
    version, reply, _, kind = yield b"\x05\x01\x00" + destination + port.to_bytes(2, "big"), 4
    if version != 5:
        raise SocksError("protocol", "it does not speak SOCKS5")
    if reply:
        found, words = _REPLIES.get(reply, ("protocol", f"reply {reply}"))
        raise SocksError(found, words)
    # The address that it connects from, which says nothing to us.
    if kind == _NAME:
        (length,) = yield b"", 1
    elif kind in (_IPV4, _IPV6):
        length = 4 if kind == _IPV4 else 16
    else:
        raise SocksError("protocol", "it does not speak SOCKS5")
    yield b"", length + 2


def _destination(host: str) -> bytes:
    for family, kind in ((socket.AF_INET, _IPV4), (socket.AF_INET6, _IPV6)):
        try:
            return bytes([kind]) + socket.inet_pton(family, host.partition("%")[0])
        except OSError:
            continue
    name = host.encode("ascii", "replace")
    if not 1 <= len(name) <= 255:
        raise SocksError("protocol", "the host name is longer than 255 bytes")
    return bytes([_NAME, len(name)]) + name
