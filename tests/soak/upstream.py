"""The upstream of the soak: what it answers follows from the model's name and the request's seed alone, so that the
other side knows every byte that it must get, or where exactly it must be cut off."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.peer import Exchange
from tests.support.scripts import answer, answer_json, half_chunk, ndjson, raw, silent, sse, stream

#: Models whose answers are whole.
SOUND = ("good", "closing", "paced", "ollama")
#: Models that break off in mid-stream, and the code that the client must be told.
BROKEN = {
    "reset": "upstream_error",
    "cut": "upstream_error",
    "half": "upstream_error",
    "endless": "upstream_error",
    "garbage": "upstream_error",
    "limited": "rate_limit",
    "stalls": "timeout_idle",
}
#: Models that refuse, and the status that the client must get.
REFUSING = {
    "e400": 400,
    "e404": 404,
    "e429": 429,
    "e500": 502,
    "e503": 503,
    "silent": 504,
    "closes": 502,
    "page": 502,
}


def words(seed: int) -> list[str]:
    """The tokens of an answer."""
    dice = random.Random(seed)
    return [f"{seed}.{n} {'żółw' * dice.randrange(6)}" for n in range(dice.randrange(2, 40))]


def pieces(seed: int) -> list[bytes]:
    """The events of an answer, without the terminator."""
    common = {"id": f"c-{seed}", "object": "chat.completion.chunk", "created": 1, "model": "up"}
    deltas: list[dict[str, Any]] = [
        *({"delta": {"content": word}, "finish_reason": None} for word in words(seed)),
        {"delta": {}, "finish_reason": "stop"},
    ]
    return sse(*({**common, "choices": [{"index": 0, **delta}]} for delta in deltas), done=False)


def broken_at(seed: int) -> int:
    """How many events of an answer that breaks off come before that."""
    return 1 + seed % (len(words(seed)) - 1)


def blob(seed: int) -> bytes:
    """What passthrough gets: anything, of any size up to 300 KB."""
    dice = random.Random(seed)
    return dice.randbytes(dice.choice((0, 1, 1000, 65_536, 300_000)))


class Upstream:
    """The script; ``open`` counts requests that are being answered."""

    def __init__(self) -> None:
        self.open = 0
        self.answered = 0

    async def __call__(self, exchange: Exchange) -> None:
        self.open += 1
        try:
            await self._answer(exchange)
        finally:
            self.open -= 1
            self.answered += 1

    async def _answer(self, exchange: Exchange) -> None:
        path = exchange.request.path
        if path.startswith("/v1/blob/"):
            await answer(blob(int(path.rpartition("/")[2])), content_type="application/octet-stream")(
                exchange
            )
            return
        asked = exchange.request.json()
        model = asked["model"]
        seed = asked["options"]["seed"] if model == "ollama" else asked["seed"]
        if model == "ollama":
            await _ollama(seed, asked["stream"])(exchange)
        elif asked["stream"]:
            await _streamed(model, seed)(exchange)
        else:
            await _whole(model, seed)(exchange)


Script = Callable[[Exchange], Awaitable[None]]
_DONE = b"data: [DONE]\n\n"


def _streamed(model: str, seed: int) -> Script:
    events = pieces(seed)
    begun = events[: broken_at(seed)]
    scripts: dict[str, Callable[[], Script]] = {
        "good": lambda: stream(*events, _DONE),
        "closing": lambda: stream(*events, _DONE, end="close"),
        "paced": lambda: stream(*(part for event in events for part in (event, 0.01)), _DONE),
        "reset": lambda: stream(*begun, end="reset"),
        "cut": lambda: stream(*begun, end="cut"),
        "half": lambda: stream(*begun, half_chunk(events[-1]), end="cut"),
        "endless": lambda: stream(*begun),
        "garbage": lambda: stream(*begun, b"data: {no\n\n"),
        "limited": lambda: stream(
            *begun, *sse({"error": {"code": "rate_limit_exceeded", "message": "slow"}})
        ),
        "stalls": lambda: stream(*begun, end="silence"),
    }
    return scripts[model]() if model in scripts else _refusing(model)


def _whole(model: str, seed: int) -> Script:
    message = {"role": "assistant", "content": "".join(words(seed))}
    body = {
        "id": "c",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    if model in ("good", "paced"):
        return answer_json(body)
    if model == "closing":
        return answer_json(body, headers={"Connection": "close"})
    return _refusing(model)


def _refusing(model: str) -> Script:
    if model == "silent":
        return silent()
    if model == "closes":
        return raw(end="cut")
    if model == "page":
        return answer(b"<html>log in</html>", content_type="text/html")
    return answer_json({"error": {"message": "no"}}, int(model[1:]))


def _ollama(seed: int, streams: bool) -> Script:
    last = {"done": True, "done_reason": "stop", "prompt_eval_count": 1, "eval_count": 2}
    texts = words(seed) if streams else ["".join(words(seed))]
    lines: list[dict[str, Any]] = [
        {"model": "up", "message": {"role": "assistant", "content": text}, "done": False} for text in texts
    ]
    if not streams:
        return answer_json({**lines[0], **last})
    lines.append({"model": "up", "message": {"role": "assistant", "content": ""}, **last})
    return stream(*ndjson(*lines), content_type="application/x-ndjson")
