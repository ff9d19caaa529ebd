"""One attack on the real program beside an honest client, and its figures."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.handlers.kit import CHAT, COMPLETION, EVENTS
from tests.overload.attacks import UNPACKED
from tests.support.client import Connection
from tests.support.peer import Exchange, Peer
from tests.support.program import ROOT, Program
from tests.support.scripts import answer, answer_json, sse, stream

MIB = 1 << 20
#: What is allowed: memory for each byte sent, beside what a process may take for itself; bytes of answers and log for each
#: byte of a request, beside what any request gets.
GROWTH, FREE = 10, 64 * MIB
RATIO, EACH = 4, 2500
#: Answers that are large because they were asked for.
ANSWER = 4_000_000
LARGE_ANSWERS = (
    "pipeline",
    "pipeline, large answers",
    "pipeline, unread",
    "large answers",
    "slow readers",
    "vectors",
    "answers of many calls",
    "streams of many calls",
)


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds, bytes, and how many honest requests failed."""

    kind: str
    asked: int
    sent: int
    got: int
    logged: int
    worst: float
    p99: float
    pings: int
    before: int
    peak: int
    after: int
    failed: int

    def problems(self) -> list[str]:
        """What was not as it must be; waits are only shown, since they are the machine's too."""
        found = [f"{self.failed} honest requests failed"] if self.failed else []
        sent = UNPACKED * self.asked if self.kind in ("compressed", "three codings") else self.sent
        if self.kind in ("slow readers", "large answers"):  # they have to be held until they are taken
            sent += ANSWER * self.asked
        if self.peak - self.before > GROWTH * sent + FREE:
            found.append(f"memory grew by {(self.peak - self.before) / MIB:.0f} MiB for {self.sent} bytes")
        if self.after - self.before > 2 * FREE:
            found.append(f"{(self.after - self.before) / MIB:.0f} MiB were kept")
        answers = 0 if self.kind in LARGE_ANSWERS else self.got
        if answers + self.logged > RATIO * self.sent + EACH * (self.asked + self.pings):
            found.append(f"{self.got} bytes of answers and {self.logged} of log for {self.sent}")
        return [f"{self.kind}: {text}" for text in found]

    def row(self) -> str:
        """For the table."""
        return (
            f"{self.kind:26} {self.asked:7} {self.sent / MIB:9.2f} {self.worst * 1000:8.1f} {self.p99 * 1000:8.1f}"
            f" {(self.peak - self.before) / MIB:8.1f} {(self.peak - self.before) / max(1, self.sent):8.2f}"
            f" {(self.after - self.before) / MIB:8.1f} {self.got / max(1, self.sent):8.2f}"
            f" {self.logged / max(1, self.sent):8.3f}"
        )


HEAD = (
    f"{'attack':26} {'sends':>7} {'MiB sent':>9} {'worst ms':>8} {'p99 ms':>8} {'peak MiB':>8} {'per byte':>8}"
    f" {'after':>8} {'answered':>8} {'logged':>8}"
)


@cache
def _vectors(count: int) -> bytes:
    """Written once: the honest client asks in this process, and must not wait for that."""
    rows = [{"object": "embedding", "index": n, "embedding": [0.1] * 1536} for n in range(count)]
    return json.dumps({"object": "list", "data": rows, "model": "up", "usage": {}}).encode()


@cache
def _large() -> bytes:
    message = {"role": "assistant", "content": "y" * ANSWER}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps({**COMPLETION, "choices": [choice]}).encode()


#: Seconds that the slow upstream takes.
SLOW = 2.0
#: Tool calls of an answer that has very many.
CALLS = 5000


@cache
def _calls() -> list[dict[str, Any]]:
    function = {"name": "f", "arguments": "{}"}
    return [{"index": n, "id": f"c{n}", "type": "function", "function": function} for n in range(CALLS)]


@cache
def _many_calls() -> bytes:
    message = {"role": "assistant", "content": None, "tool_calls": _calls()}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return json.dumps({**COMPLETION, "choices": [choice]}).encode()


@cache
def _streamed_calls() -> list[bytes]:
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "up"}
    return sse(
        *({**chunk, "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]} for call in _calls()),
        {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    )


def _asked(body: bytes) -> dict[str, Any]:
    """What decides the answer. A large body is not read: the honest client asks in this process, and must not wait for that."""
    if len(body) > 64 * 1024 or not body.startswith(b"{"):
        return {}
    found: dict[str, Any] = json.loads(body)
    return found


async def upstream(exchange: Exchange) -> None:
    """Short, unless asked for more."""
    asked = _asked(exchange.request.body)
    if b'"slow"' in exchange.request.body[:100]:
        await asyncio.sleep(SLOW)
    if exchange.request.path.endswith("/embeddings"):
        await answer(_vectors(len(asked.get("input", "x"))))(exchange)
    elif asked.get("model") == "calls" and asked.get("stream"):
        await stream(*_streamed_calls())(exchange)
    elif asked.get("model") == "calls":
        await answer(_many_calls())(exchange)
    elif asked.get("stream"):
        await stream(*sse(*EVENTS))(exchange)
    elif asked.get("model") == "large":
        await answer(_large())(exchange)
    else:
        await answer_json(COMPLETION)(exchange)


def config(url: str) -> dict[str, Any]:
    """The models that the attacks name."""
    up = {
        "defaults": {"api_type": "openai", "api_host": url + "/v1"},
        "m": {"model": "up"},
        "large": {},
        "calls": {},
        "slow": {},
    }
    claude = {"defaults": {"api_type": "anthropic", "api_host": url, "api_token": "k"}, "claude": {}}
    gemini = {"defaults": {"api_type": "gemini", "api_host": url, "api_token": "k"}, "gemini": {}}
    return {"up": up, "claude": claude, "google": gemini}


def resident(pid: int) -> int:
    """Bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Honest:
    """Pings again and again, and streams now and then; ``waits``: seconds for each."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.waits: list[float] = []
        self.failed = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with Connection(self._url) as client:
                    await self._ask(client)
            except (OSError, asyncio.IncompleteReadError, ValueError):
                self.failed += 1

    async def _ask(self, client: Connection) -> None:
        while True:
            for number in range(10):
                began = time.perf_counter()
                if number:
                    got = await client.request("GET", "/ping")
                else:
                    got = await client.request("POST", "/chat", {**CHAT, "stream": True})
                self.waits.append(time.perf_counter() - began)
                self.failed += not (got.status == 200 and got.complete)
                await asyncio.sleep(0.005)


async def attack(program: Program, kind: str, seconds: float, rest: float) -> Figures:
    """The figures of one attack, and of ``rest`` seconds after it."""
    honest = Honest(program.url)
    before, log = resident(program.pid), program.stderr.stat().st_size
    working = asyncio.create_task(honest.run())
    command = (sys.executable, "-m", "tests.overload.attacks", program.url, kind, str(seconds))
    child = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    reading = asyncio.create_task(child.communicate())
    peak = before
    while not reading.done():
        peak = max(peak, resident(program.pid))
        await asyncio.sleep(0.01)
    out, _ = await reading
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await asyncio.sleep(rest)
    waits = sorted(honest.waits)
    told = json.loads(out)
    return Figures(
        kind,
        told["asked"],
        told["sent"],
        told["got"],
        program.stderr.stat().st_size - log,
        waits[-1],
        waits[len(waits) * 99 // 100],
        len(waits),
        before,
        peak,
        resident(program.pid),
        honest.failed,
    )


def _watched(file: Path) -> list[str]:
    """What ``tests.overload.watch`` has noted: the longest piece of each kind. The file is empty then."""
    noted = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    file.write_text("")
    longest = {one["kind"]: one for one in sorted(noted, key=lambda one: float(one["seconds"]))}
    return [f"{one['seconds'] * 1000:8.1f} ms {kind}: {one['where'][:200]}" for kind, one in longest.items()]


async def run(
    folder: Path, kinds: Iterable[str], seconds: float, rest: float = 3.0, *, watch: bool = False
) -> list[Figures]:
    """One after the other, each on the same process; ``watch``: with a watch in it."""
    found, noted = [], folder / "watch"
    module = ("tests.overload.watch", str(noted)) if watch else ("llm_proxy.rest_api",)
    async with Peer(upstream) as peer, Program(folder, config(peer.url), module=module) as program:
        for kind in kinds:
            found.append(await attack(program, kind, seconds, rest))
            print(found[-1].row(), *_watched(noted), sep="\n", flush=True)
            peer.requests.clear()
            peer.errors.clear()
    return found
