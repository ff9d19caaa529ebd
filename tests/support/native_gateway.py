"""For tests of the native dialects through the gateway: a picture, and what a client has after an answer."""

from __future__ import annotations

from llm_proxy.wire.events import Chunk, Done
from tests.support.client import Answer
from tests.support.native_kit import Seen, seen

#: One white pixel.
PIXEL = {
    "type": "image_url",
    "image_url": {
        "url": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
        "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    },
}


def result_of(answer: Answer) -> Seen:
    """What a client has after an answer of the gateway, streamed or not."""
    assert answer.status == 200, answer.body
    if answer.headers["content-type"].startswith("text/event-stream"):
        *chunks, last = answer.events()
        assert last == "[DONE]"
        return seen([*(Chunk(chunk) for chunk in chunks), Done()])
    body = answer.json()
    choices = {choice["index"]: choice for choice in body["choices"]}
    return Seen(
        {index: choice["message"] for index, choice in choices.items()},
        {index: choice["finish_reason"] for index, choice in choices.items()},
        usage=body["usage"],
        end=Done(),
    )
