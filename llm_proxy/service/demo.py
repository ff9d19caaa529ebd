"""The upstream behind the api_type ``demo``: an OpenAI-compatible endpoint of our own on loopback.

It answers with a fixed, clearly labelled text that echoes the question, word by word, so that a first ``curl`` works
without any model server. It is reached over real HTTP through the same transport as any upstream, and it listens only
while a loaded configuration names it. Its port is reserved beforehand, because the loader must know the address
before anybody listens there.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
import uuid
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.web import Application, RequestHandler

from llm_proxy.wire.sse import sse_data

log = logging.getLogger(__name__)

LABEL = "[demo model: no language model is behind this answer]"
#: Seconds between words: slow enough that a person sees the stream move, fast enough not to bore.
PACE = 0.03
MAX_ECHO = 400


class DemoServer:
    """Listens while ``sync(True)``; ``host`` is the ``api_host`` to put into deployments."""

    def __init__(self) -> None:
        self._socket = _reserve()
        self._server: HTTPServer | None = None

    @property
    def host(self) -> str:
        """The base URL of the endpoint, as ``api_host`` has it. Safe to call from the loader's thread."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def sync(self, wanted: bool) -> None:
        """Start or stop listening; running answers go on."""
        if wanted and self._server is None:
            self._socket.listen(128)
            server = HTTPServer(Application([("/v1/chat/completions", _Chat)], log_function=_silent))
            server.add_socket(self._socket)
            self._server = server
        elif not wanted and self._server is not None:
            self._server.stop()
            self._server = None
            self._socket = _reserve()

    def close(self) -> None:
        """Stop listening and let go of the port."""
        if self._server is not None:
            self._server.stop()
        self._socket.close()


def _reserve() -> socket.socket:
    """A bound socket that does not listen yet: connections to it are refused."""
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.setblocking(False)
    return made


def _silent(handler: RequestHandler) -> None:
    """The demo's own requests are not worth an access line: the gateway logs the request that caused them."""


class _Chat(RequestHandler):
    async def post(self) -> None:
        body = json.loads(self.request.body)
        words = answer(body["messages"]).split(" ")
        pieces = [words[0], *(" " + word for word in words[1:])]
        usage = {
            "prompt_tokens": _count(body["messages"]),
            "completion_tokens": len(pieces),
        }
        usage["total_tokens"] = sum(usage.values())
        common = {
            "id": f"chatcmpl-demo-{uuid.uuid4().hex[:12]}",
            "created": int(time.time()),
            "model": body["model"],
        }
        if not body.get("stream"):
            message = {"role": "assistant", "content": "".join(pieces)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self.finish(
                {
                    **common,
                    "object": "chat.completion",
                    "choices": [choice],
                    "usage": usage,
                }
            )
            return
        self.set_header("Content-Type", "text/event-stream")
        common["object"] = "chat.completion.chunk"
        try:
            await self._stream(common, pieces, usage)
        except StreamClosedError:
            return

    async def _stream(self, common: dict[str, Any], pieces: list[str], usage: dict[str, int]) -> None:
        deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": ""}, None)]
        deltas += [({"content": piece}, None) for piece in pieces]
        deltas.append(({}, "stop"))
        for delta, finish in deltas:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            self.write(sse_data({**common, "choices": [choice]}))
            await self.flush()
            await asyncio.sleep(PACE if delta.get("content") else 0)
        self.write(sse_data({**common, "choices": [], "usage": usage}))
        self.write(b"data: [DONE]\n\n")


def answer(messages: list[dict[str, Any]]) -> str:
    """The demo's whole answer: its label, then an echo of the last user message."""
    said = next(
        (text(m.get("content")) for m in reversed(messages) if m.get("role") == "user"),
        "",
    )
    echo = said if len(said) <= MAX_ECHO else said[:MAX_ECHO] + "..."
    return f"{LABEL} You said: {echo}" if echo else f"{LABEL} You said nothing."


def text(content: Any) -> str:
    """The text of a message's content, whatever its form."""
    if isinstance(content, list):
        return " ".join(part["text"] for part in content if isinstance(part.get("text"), str))
    return content if isinstance(content, str) else ""


def _count(messages: list[dict[str, Any]]) -> int:
    return sum(len(text(message.get("content")).split()) for message in messages)
