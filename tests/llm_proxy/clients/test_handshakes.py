"""TLS begun with clients that were just accepted."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

from llm_proxy.clients.certificates import TlsFiles, load
from llm_proxy.clients.handshakes import Handshakes

DATA = Path(__file__).resolve().parents[2] / "data" / "tls"

#: How a TLS hello begins; the rest never comes.
HELLO = bytes.fromhex("16030100c8")


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(DATA / "ca.pem"))


async def shake(near: socket.socket) -> None:
    """A whole handshake, on the client's side."""
    _, writer = await asyncio.open_connection(sock=near, ssl=trusting(), server_hostname="localhost")
    writer.transport.abort()


async def test_who_dawdles_gives_way() -> None:
    """With all turns taken by clients who never finish, an honest one is served when the oldest has had its second,
    long before the time of a handshake has run out; the others go on."""
    context = load(TlsFiles(DATA / "good.pem"))
    handshakes = Handshakes(lambda: context, 600.0, at_once=2)
    pairs = [socket.socketpair() for _ in range(2)]
    slow = []
    for far, near in pairs:
        near.sendall(HELLO)
        slow.append(asyncio.create_task(handshakes.begin(far, asyncio.Protocol())))
    far, near = socket.socketpair()
    near.setblocking(False)

    async with asyncio.timeout(20):
        await asyncio.gather(handshakes.begin(far, asyncio.Protocol()), shake(near))
        done, still = await asyncio.wait(slow, timeout=0)

    assert (len(done), len(still)) == (1, 1)
    for task in still:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    for both in pairs:
        for end in both:
            end.close()


async def test_a_handshake_has_its_time() -> None:
    """Who says nothing, or half of a hello, is gone when the time for a head is over."""
    context = load(TlsFiles(DATA / "good.pem"))
    handshakes = Handshakes(lambda: context, 0.05)
    for said in (b"", HELLO):
        far, near = socket.socketpair()
        near.sendall(said)
        with_error = (
            await asyncio.gather(handshakes.begin(far, asyncio.Protocol()), return_exceptions=True)
        )[0]

        assert isinstance(with_error, OSError)
        far.close()
        near.close()
