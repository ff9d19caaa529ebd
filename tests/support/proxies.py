"""Proxies as tests need them: SOCKS5 and CONNECT, scripted on a ``RawPeer``, with what they were asked for."""

from __future__ import annotations

import asyncio
import socket

from tests.support.raw_peer import Script, Wire


async def splice(wire: Wire, port: int) -> None:
    """Carry bytes both ways between ``wire`` and a server on this machine."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()
            if reader is wire.reader:
                wire.ended.set()

    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await asyncio.gather(pump(wire.reader, writer), pump(reader, wire.writer), return_exceptions=True)
    finally:
        writer.transport.abort()


def connect_proxy(port: int, seen: list[bytes]) -> Script:
    """A proxy that opens a tunnel to ``port``, whatever it is asked for."""

    async def script(wire: Wire) -> None:
        seen.append(await wire.exchange(b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n"))
        await splice(wire, port)

    return script


def socks_proxy(
    port: int,
    asked: list[tuple[str, int]],
    *,
    login: tuple[bytes, bytes] | None = None,
    replies: dict[str, int] | None = None,
) -> Script:
    """A SOCKS5 server (RFC 1928) that leads to ``port``; ``replies`` are its refusals by destination."""

    async def script(wire: Wire) -> None:
        read = wire.reader.readexactly
        _, count = await read(2)
        methods = await read(count)
        if login is None:
            await wire.send(b"\x05\x00")
        elif 2 not in methods:
            await wire.send(b"\x05\xff")
            return
        else:
            await wire.send(b"\x05\x02")
            _, size = await read(2)
            user = await read(size)
            (size,) = await read(1)
            right = (user, await read(size)) == login
            await wire.send(b"\x01" + bytes([not right]))
            if not right:
                return
        _, _, _, kind = await read(4)
        if kind == 3:
            (size,) = await read(1)
            host = (await read(size)).decode()
        else:
            family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            host = socket.inet_ntop(family, await read(size))
        asked.append((host, int.from_bytes(await read(2), "big")))
        reply = (replies or {}).get(host, 0)
        # It binds to a name: the answer's length is not always the same.
        await wire.send(b"\x05" + bytes([reply]) + b"\x00\x03\x04here\x00\x50")
        if not reply:
            await splice(wire, port)

    return script
