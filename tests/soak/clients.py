"""The clients of the soak: each kind asks for something and knows exactly what it must get. A kind that is not
satisfied raises ``AssertionError``."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field
from typing import Any

from tests.soak.upstream import BROKEN, REFUSING, SOUND, blob, broken_at, pieces, words
from tests.support.client import Answer, Connection

#: Seconds after which an answer counts as lost, however slow the machine.
PATIENCE = 90.0
_BAD = (
    b"GET /api/ping HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    b"GET / HTTP/1.1\r\nA b: c\r\n\r\n",
)


@dataclass(slots=True)
class Clients:
    """Asks one thing after the other. ``awaited`` holds the ids of requests whose access line has not been seen, with
    the status that it must show (None: any)."""

    url: str
    dice: random.Random
    awaited: dict[str, int | None] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    number: int = 0

    async def one(self) -> None:
        """One request of a kind that chance chooses. Raises ``AssertionError`` with what is wrong."""
        kinds = {
            self.sound: 40,
            self.kept_alive: 8,
            self.slow: 4,
            self.broken: 20,
            self.refused: 14,
            self.dead: 2,
            self.passes: 8,
            self.leaves: 12,
            self.large: 1,
            self.malformed: 3,
            self.looks: 4,
        }
        (kind,) = self.dice.choices(list(kinds), list(kinds.values()))
        self.asked[kind.__name__] = self.asked.get(kind.__name__, 0) + 1
        try:
            await asyncio.wait_for(kind(), PATIENCE)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            raise AssertionError(f"{kind.__name__}: {error!r}") from error
        except AssertionError as error:
            raise AssertionError(f"{kind.__name__}: {error}") from error

    def _next(self, model: str, streams: bool) -> tuple[int, dict[str, Any]]:
        self.number += 1
        seed = self.number
        messages = [{"role": "user", "content": f"question {seed}"}]
        return seed, {"model": model, "messages": messages, "stream": streams, "seed": seed}

    def _id(self, status: int | None) -> dict[str, str]:
        """Headers with an id, to be found again in the log."""
        name = f"soak-{len(self.awaited)}-{self.number}-{self.dice.randrange(1 << 40)}"
        self.awaited[name] = status
        return {"X-Request-Id": name}

    async def _ask(self, path: str, body: Any, status: int, **more: Any) -> Answer:
        async with Connection(self.url) as client:
            got = await client.request("POST", path, body, headers=self._id(status), **more)
        assert got.status == status, f"status {got.status} instead of {status}: {got.body[:300]!r}"
        return got

    # -- what must come whole

    async def sound(self) -> None:
        """A good answer, byte for byte."""
        model = self.dice.choice(SOUND)
        seed, body = self._next(model, self.dice.random() < 0.75)
        got = await self._ask("/chat", body, 200)
        self._whole(got, model, seed, body["stream"])

    def _whole(self, got: Answer, model: str, seed: int, streams: bool) -> None:
        assert got.complete, f"{model} {seed}: cut at {got.body[-200:]!r}"
        if not streams:
            assert got.json()["choices"][0]["message"]["content"] == "".join(words(seed))
        elif model == "ollama":
            assert got.text() == "".join(words(seed))
            assert got.body.endswith(b"data: [DONE]\n\n")
        else:
            right = b"".join(_asked(pieces(seed), model)) + b"data: [DONE]\n\n"
            assert got.body == right, f"{model} {seed}: other bytes"

    async def kept_alive(self) -> None:
        """Several good answers on one connection."""
        async with Connection(self.url) as client:
            for _ in range(self.dice.randrange(2, 6)):
                model = self.dice.choice(SOUND)
                seed, body = self._next(model, self.dice.random() < 0.75)
                got = await client.request("POST", "/chat", body, headers=self._id(200))
                assert got.status == 200, f"status {got.status}"
                self._whole(got, model, seed, body["stream"])

    async def slow(self) -> None:
        """A reader that takes its time."""
        seed, body = self._next("good", True)
        async with Connection(self.url) as client:
            await client.send("POST", "/chat", body, headers=self._id(200))
            got = await client.head()
            while await client.piece(got):
                await asyncio.sleep(self.dice.random() * 0.2)
        self._whole(got, "good", seed, True)

    async def passes(self) -> None:
        """Passthrough of any bytes."""
        seed, _ = self._next("", False)
        got = await self._ask(f"/passthrough/up/blob/{seed}", b"{}", 200)
        assert got.complete, f"{seed}: cut"
        assert got.body == blob(seed), f"{seed}: other bytes"

    async def large(self) -> None:
        """A question of a megabyte."""
        seed, body = self._next("good", True)
        body["messages"][0]["content"] = "x" * (1 << 20)
        self._whole(await self._ask("/chat", body, 200), "good", seed, True)

    async def looks(self) -> None:
        """What monitoring asks for."""
        path = self.dice.choice(("/ping", "/tags", "/status", "/v1/models"))
        headers = {} if path == "/ping" else self._id(200)  # one that succeeds has no line
        async with Connection(self.url) as client:
            got = await client.request("GET", path, headers=headers)
        assert got.status == 200

    # -- what must break, visibly

    async def broken(self) -> None:
        """A stream that breaks off: what came before is exact, then one error event and a cut."""
        model = self.dice.choice(list(BROKEN))
        seed, body = self._next(model, True)
        got = await self._ask("/chat", body, 200)
        assert not got.complete, f"{model} {seed}: a broken stream looks whole"
        begun = b"".join(_asked(pieces(seed)[: broken_at(seed)], model))
        assert got.body.startswith(begun), f"{model} {seed}: events are lost"
        error = json.loads(got.body[len(begun) :].removeprefix(b"data: "))["error"]
        assert error["code"] == BROKEN[model], f"{model} {seed}: {error}"

    async def refused(self) -> None:
        """An upstream that refuses, in each form of request."""
        model = self.dice.choice(list(REFUSING))
        _, body = self._next(model, self.dice.random() < 0.5)
        got = await self._ask("/chat", body, REFUSING[model])
        assert got.json()["error"]["message"]

    async def dead(self) -> None:
        """An upstream that is not there."""
        _, body = self._next("dead", True)
        got = await self._ask("/chat", body, 502)
        assert got.json()["error"]["code"] == "upstream_unreachable"

    # -- clients that misbehave

    async def leaves(self) -> None:
        """Asks, reads nothing or a little, and leaves."""
        model = self.dice.choice(("good", "paced", "stalls", "silent", "ollama"))
        _, body = self._next(model, True)
        async with Connection(self.url) as client:
            await client.send("POST", "/chat", body, headers=self._id(None))
            if model != "silent" and self.dice.random() < 0.5:
                await client.piece(await client.head())
            await asyncio.sleep(self.dice.choice((0, 0, 0.01, 0.1)))

    async def malformed(self) -> None:
        """Bytes that are no request."""
        async with Connection(self.url) as client:
            client.writer.write(self.dice.choice(_BAD))
            got = await client.rest(await client.head())
        assert 400 <= got.status < 500, f"status {got.status}"


def _asked(pieces: list[bytes], model: str) -> list[bytes]:
    """The upstream's events with the model's name that was asked for."""
    return [piece.replace(b'"up"', b'"%b"' % model.encode()) for piece in pieces]
