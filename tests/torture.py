"""Edits at random pace under many streams: ``python -m tests.torture --edits 1000 --streams 200 --workers 2``.

Starts the product as a process of its own in front of a scripted upstream, keeps streams running, and meanwhile writes
valid, invalid and half-written configurations and prompts. Every stream must arrive byte-exact, no request may fail,
all workers must end with the last state, and memory must stay flat. Exits with 1 and says so if not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.client import request
from tests.support.peer import Exchange, Peer
from tests.support.scripts import sse

ROOT = Path(__file__).resolve().parent.parent
WORDS = 30
GAP = 0.05
CHOICES: list[dict[str, Any]] = [
    *({"delta": {"content": f"w{n:03} "}, "finish_reason": None} for n in range(WORDS)),
    {"delta": {}, "finish_reason": "stop"},
]
EVENTS = [
    {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "up",
        "choices": [{"index": 0, **choice}],
    }
    for choice in CHOICES
]
#: What a client gets: the model by the name that it asked for.
BODY = b"".join(sse(*EVENTS)).replace(b'"up"', b'"m"')
PIECES = sse(*EVENTS)
MODEL = "m"


async def upstream(exchange: Exchange) -> None:
    """A stream of numbered words."""
    await exchange.send(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    for piece in PIECES:
        await exchange.chunk(piece)
        await asyncio.sleep(GAP)
    await exchange.chunk(b"")


@dataclass(slots=True)
class Torture:
    """One run; ``failures`` is empty if all went well."""

    edits: int
    streams: int
    workers: int
    seed: int
    folder: Path
    origin: str = ""
    answered: int = 0
    failures: list[str] = field(default_factory=list)
    generations: set[str] = field(default_factory=set)
    stopping: bool = False

    async def run(self) -> None:
        """Do it all."""
        async with Peer(upstream) as peer:
            dice = random.Random(self.seed)
            self._write_config(self._valid(peer.url, 0))
            (self.folder / "prompts" / "en").mkdir(parents=True)
            self._write_prompt("start")
            process = await self._start()
            try:
                clients = [asyncio.create_task(self._client()) for _ in range(self.streams)]
                await asyncio.sleep(2 * WORDS * GAP)
                before = await self._memory()
                for number in range(1, self.edits + 1):
                    await self._edit(dice, peer.url, number)
                    await asyncio.sleep(dice.choice((0.001, 0.01, 0.03, 0.06, 0.12)))
                self._write_config(self._valid(peer.url, self.edits + 1))
                self._write_prompt("end")
                await self._settled()
                self.stopping = True
                await asyncio.gather(*clients)
                self._compare(before, await self._memory())
            finally:
                process.send_signal(signal.SIGTERM)
                status = await asyncio.to_thread(process.wait, 60)
        if status != 0:
            self.failures.append(f"the service ended with status {status}")

    async def _start(self) -> subprocess.Popen[str]:
        flags = {
            "port": "0",
            "workers": str(self.workers),
            "models-config": str(self.folder / "models.json"),
            "prompts-dir": str(self.folder / "prompts"),
            "log-filename": str(self.folder / "log"),
            "log-format": "json",
        }
        arguments = [part for name, value in flags.items() for part in (f"--{name}", value)]
        process = subprocess.Popen(  # noqa: ASYNC220 (nothing else runs yet)
            [sys.executable, "-m", "llm_proxy.rest_api", *arguments],
            cwd=ROOT,
            env={**os.environ, "LLM_PROXY_API_MINIMUM": "1"},
            stderr=subprocess.DEVNULL,
            text=True,
        )
        until = time.monotonic() + 20
        while not self.origin:
            if time.monotonic() > until or process.poll() is not None:
                raise RuntimeError("the service did not start")
            self.origin = next((line["url"] for line in self._log() if line["message"] == "listening"), "")
            await asyncio.sleep(0.02)
        return process

    def _log(self) -> list[dict[str, Any]]:
        path = self.folder / "log"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    async def _client(self) -> None:
        """One stream after the other, each compared with what the upstream sent."""
        while not self.stopping:
            try:
                got = await request(
                    self.origin,
                    "POST",
                    "/chat",
                    {"model": MODEL, "messages": [{"role": "user", "content": "x"}]},
                )
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                self.failures.append(f"request failed: {error!r}")
                continue
            self.answered += 1
            self.generations.add(got.headers.get("x-config-generation", ""))
            if got.status != 200 or not got.complete or got.body != BODY:
                self.failures.append(
                    f"status {got.status}, complete {got.complete}, {len(got.body)} of {len(BODY)} bytes"
                )

    def _valid(self, url: str, number: int) -> str:
        """A good configuration: the model moves between two providers, others come and go."""
        row = {
            "defaults": {"api_type": "openai", "api_host": f"{url}/v1"},
            MODEL: {"model": "up", "weight": 1 + number % 7},
        }
        extra: dict[str, Any] = {f"extra-{number}-{n}": {} for n in range(number % 5)}
        return json.dumps({("one", "two")[number % 2]: {**row, **extra}, "demo": {f"mark-{number}": {}}})

    async def _edit(self, dice: random.Random, url: str, number: int) -> None:
        good = self._valid(url, number)
        kind = dice.choice(("replace", "replace", "in place", "half", "syntax", "schema", "gone", "prompt"))
        path = self.folder / "models.json"
        if kind == "replace":
            self._write_config(good)
        elif kind == "in place":
            path.write_text(good, "utf-8")
        elif kind == "half":
            path.write_text(good[: dice.randrange(len(good))], "utf-8")
            await asyncio.sleep(dice.choice((0.005, 0.08, 0.2)))
            path.write_text(good, "utf-8")
        elif kind == "syntax":
            path.write_text(good + "}", "utf-8")
        elif kind == "schema":
            self._write_config(good.replace('"weight"', '"wieght"'))
        elif kind == "gone":
            path.unlink(missing_ok=True)
            await asyncio.sleep(dice.choice((0.005, 0.08)))
            path.write_text(good, "utf-8")
        else:
            self._write_prompt(f"text {number}")

    def _write_config(self, text: str) -> None:
        new = self.folder / "models.new"
        new.write_text(text, "utf-8")
        os.replace(new, self.folder / "models.json")

    def _write_prompt(self, text: str) -> None:
        (self.folder / "prompts" / "en" / "conversation.prompt").write_text(text, "utf-8")

    async def _status(self) -> dict[str, Any]:
        found: dict[str, Any] = (await request(self.origin, "GET", "/status")).json()
        return found

    async def _settled(self) -> None:
        """Wait until every worker has the last state."""
        until = time.monotonic() + 20
        wanted = f"mark-{self.edits + 1}"
        while time.monotonic() < until:
            status = await self._status()
            names = [model["name"] for model in (await request(self.origin, "GET", "/tags")).json()["models"]]
            if (
                wanted in names
                and len({worker["hash"] for worker in status["workers"]}) == 1
                and status["state"] == "applied"
            ):
                return
            await asyncio.sleep(0.05)
        self.failures.append("the last state was not served by every worker")

    async def _memory(self) -> dict[int, int]:
        """Resident bytes of each worker."""
        pids = [worker["pid"] for worker in (await self._status())["workers"]]
        page = os.sysconf("SC_PAGE_SIZE")
        return {pid: _pages(pid) * page for pid in pids}

    def _compare(self, before: dict[int, int], after: dict[int, int]) -> None:
        for pid, size in after.items():
            if pid not in before:
                self.failures.append(f"worker {pid} is not one of those that were there at the start")
            elif size > before[pid] * 1.3 + (24 << 20):
                self.failures.append(f"worker {pid} grew from {before[pid]} to {size} bytes")


def _pages(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1])


def torture(edits: int, streams: int, workers: int, seed: int) -> Torture:
    """Run it; look at ``failures``."""
    with tempfile.TemporaryDirectory() as folder:
        made = Torture(edits, streams, workers, seed, Path(folder))
        asyncio.run(made.run())
    return made


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--edits", type=int, default=1000)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    began = time.monotonic()
    made = torture(given.edits, given.streams, given.workers, given.seed)
    print(
        f"seed {given.seed}: {given.edits} edits, {made.answered} streams in {time.monotonic() - began:.0f} s, "
        f"{len(made.generations)} generations, {len(made.failures)} failures"
    )
    for failure in made.failures[:20]:
        print(failure)
    return 1 if made.failures else 0


if __name__ == "__main__":
    sys.exit(main())
