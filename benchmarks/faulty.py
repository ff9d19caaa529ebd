"""An upstream that can be told to fail: ``python benchmarks/faulty.py PORT``. The standard library only.

``GET /fault/KIND`` says how from now on: ``none``, ``error`` (500 at once), ``busy`` (429 with ``Retry-After``), ``reset`` (the request
is read, the connection reset), ``flap`` (half a second well, half a second ``error``), ``gone`` (nobody listens any more). Any other
GET is 200, as a server's health may look while its model fails.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
import time

_MESSAGE = {"role": "assistant", "content": "The printing press spread from Mainz.", "refusal": None}
_ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "fast",
        "choices": [{"index": 0, "message": _MESSAGE, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 31, "completion_tokens": 17, "total_tokens": 48},
    }
).encode()
_ERROR = b'{"error": {"message": "out of memory", "type": "server_error"}}'


def _whole(status: bytes, body: bytes, *fields: bytes) -> bytes:
    head = [b"HTTP/1.1 " + status, b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*head, *fields]) + b"\r\n\r\n" + body


_WELL = _whole(b"200 OK", _ANSWER)
_FAILS = _whole(b"500 Internal Server Error", _ERROR)
_BUSY = _whole(b"429 Too Many Requests", _ERROR, b"Retry-After: 1")


class Faulty:
    """One server; ``kind`` is how it fails."""

    def __init__(self) -> None:
        self.kind = "none"
        self.server: asyncio.Server
        self.writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests of one connection."""
        self.writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                await reader.readexactly(length)
                method, path = head.split(b" ", 2)[:2]
                if method == b"GET":
                    writer.write(_whole(b"200 OK", b"{}"))
                    if path.startswith(b"/fault/"):
                        await writer.drain()
                        self.set(path[7:].decode())
                elif not self.answer(writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    def set(self, kind: str) -> None:
        """Fail so from now on."""
        self.kind = kind
        if kind == "gone":
            self.server.close()
            for writer in self.writers:
                writer.transport.abort()

    def answer(self, writer: asyncio.StreamWriter) -> bool:
        """To one POST; false if the connection is gone."""
        kind = self.kind
        if kind == "flap":
            kind = "error" if time.monotonic() % 1.0 < 0.5 else "none"
        if kind == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            return False
        writer.write({"error": _FAILS, "busy": _BUSY}.get(kind, _WELL))
        return True


async def main(port: int) -> None:
    """Until it is ended."""
    faulty = Faulty()
    faulty.server = await asyncio.start_server(faulty.serve, "127.0.0.1", port, backlog=1024)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
