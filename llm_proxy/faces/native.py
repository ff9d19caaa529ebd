"""The answer of an upstream that was asked in the client's own dialect: its bytes, untouched.

Laws: what came is passed on as it came, the model's name in it included; what nobody but the gateway can say
(keep-alives, errors, an answer in another form than was asked for) is written by the dialect's own face. The end is
held back until the upstream's body has ended whole, as that of any other answer.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.errors import GatewayError
from llm_proxy.faces.face import Face
from llm_proxy.wire.events import ChatResponse, Chunk, Comment, Done


class NativeFace(Face):
    """``own`` is the face of the dialect that both sides speak."""

    translates = False

    def __init__(self, own: Face) -> None:
        self._own = own
        self.stream_type = own.stream_type

    def event(self, event: Chunk | Comment) -> bytes:
        return self._own.event(event) if event.raw is None else event.raw

    def keep_alive(self) -> bytes:
        return self._own.keep_alive()

    def end(self) -> bytes:
        return self._own.end()

    def ending(self, done: Done) -> bytes:
        return self._own.end() if done.raw is None else done.raw

    def failure(self, error: GatewayError, request_id: str) -> bytes:
        return self._own.failure(error, request_id)

    def whole(self, response: ChatResponse) -> bytes:
        return self._own.whole(response) if response.raw is None else response.raw

    def status(self, error: GatewayError) -> int:
        return self._own.status(error)

    def refusal(self, error: GatewayError, request_id: str) -> dict[str, Any]:
        return self._own.refusal(error, request_id)
