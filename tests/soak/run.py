"""One run of the soak: the program as a process of its own, its load, its log, its size, and the verdict."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.overload.attacks import ATTACKS
from tests.overload.run import upstream as attacked
from tests.soak.clients import Clients
from tests.soak.upstream import BROKEN, REFUSING, SOUND, Upstream
from tests.support.peer import Peer

ROOT = Path(__file__).resolve().parent.parent.parent
#: An ERROR of the log that belongs to the script: a broken configuration was written, and refused.
_EXPECTED = "rejected"
#: Seconds of one attack.
ATTACK = 10.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process holds at one moment: resident bytes, descriptors, threads."""

    rss: int
    descriptors: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> Sample:
        """Of the process ``pid``."""
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        threads = len(os.listdir(f"/proc/{pid}/task"))
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(f"/proc/{pid}/fd")), threads)


@dataclass(slots=True)
class Soak:
    """``seconds`` of load by ``clients`` at once. ``growth`` is how much larger the process may be at the end than
    after the warm-up, as a share; ``failures`` is empty if all went well."""

    folder: Path
    seconds: float
    clients: int
    seed: int
    growth: float = 0.05
    #: Whether the attackers of ``tests.overload`` are at work beside the honest clients.
    attack: bool = True
    #: Seconds of each client between two requests, and between two attackers.
    pause: float = 0.0
    rest: float = 5.0
    attacks: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    lines: Counter[str] = field(default_factory=Counter)
    asked: dict[str, int] = field(default_factory=dict)
    edits: int = 0
    #: The upstream of what the attackers ask.
    _other: Peer = field(init=False)
    _idle: Sample = Sample(0, 0, 0)
    #: How many samples there were when every kind of attack had been seen.
    _seen_all: int = 0
    #: What the process holds when everything is over.
    last: Sample = Sample(0, 0, 0)
    _url: str = ""
    _awaited: dict[str, int | None] = field(default_factory=dict)

    async def run(self) -> None:
        """Do it all."""
        upstream = Upstream()
        async with Peer(upstream) as peer, Peer(attacked) as other:
            self._other = other
            (self.folder / "prompts" / "en").mkdir(parents=True)
            self._write_config(peer.url, 0)
            process = await self._start()
            reading = asyncio.create_task(self._read_log(process))
            try:
                await self._until(lambda: bool(self._url), "the program did not start", 60)
                await self._load(process.pid, peer)
                await self._quiet(process.pid, upstream)
            finally:
                if process.returncode is None:
                    process.send_signal(signal.SIGTERM)
                status = await asyncio.wait_for(process.wait(), 60)
                await reading
            peer.requests.clear()
        if status != 0:
            self.failures.append(f"the program ended with status {status}")
        self._judge_lines()

    async def _start(self) -> asyncio.subprocess.Process:
        settings = {
            "MINIMUM": 1,
            "PORT": 0,
            "MODELS_CONFIG": self.folder / "models.json",
            "PROMPTS_DIR": self.folder / "prompts",
            "LOG_FORMAT": "json",
            "UPSTREAM_IDLE": 1,
        }
        env = {**os.environ, **{f"LLM_PROXY_API_{name}": str(value) for name, value in settings.items()}}
        command = (sys.executable, "-m", "llm_proxy.rest_api")
        return await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=env, stderr=asyncio.subprocess.PIPE, limit=1 << 20
        )

    async def _load(self, pid: int, peer: Peer) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self.seconds
        asking = Clients(self._url, random.Random(self.seed), self._awaited, self.asked)
        await self._once(asking)
        self._idle = Sample.of(pid)
        working = [asyncio.create_task(self._work(asking, until)) for _ in range(self.clients)]
        if self.attack:
            working.append(asyncio.create_task(self._attack(until)))
        pause = min(5.0, self.seconds / 20)
        while loop.time() < until:
            await asyncio.sleep(pause)
            self.samples.append(Sample.of(pid))
            self.edits += 1
            self._write_config(peer.url, self.edits)
            # Our own memory must not grow either.
            peer.requests.clear()
            self._other.requests.clear()
            for each in (peer, self._other):
                each.links[:] = [link for link in each.links if not link._lost.is_set()]
        await asyncio.gather(*working)

    async def _work(self, asking: Clients, until: float) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < until and len(self.failures) < 100:
            await self._once(asking)
            await asyncio.sleep(self.pause)

    async def _attack(self, until: float) -> None:
        """One attacker after the other, each in a process of its own, with a rest between them."""
        loop = asyncio.get_running_loop()
        seconds = min(ATTACK, self.seconds / 4)
        for kind in itertools.cycle(ATTACKS):
            if loop.time() + seconds > until:
                return
            command = (sys.executable, "-m", "tests.overload.attacks", self._url, kind, str(seconds))
            child = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL
            )
            if await child.wait():
                self.failures.append(f"the attacker {kind!r} failed")
            self.attacks[kind] += 1
            if len(self.attacks) == len(ATTACKS):
                self._seen_all = self._seen_all or len(self.samples)
            await asyncio.sleep(self.rest)

    async def _once(self, asking: Clients) -> None:
        try:
            await asking.one()
        except AssertionError as error:
            self.failures.append(str(error))

    def _write_config(self, peer: str, number: int) -> None:
        """Every edit changes something; every fifth is broken."""
        # What stalls has begun at once, but for a busy machine.
        limits = {"stalls": {"idle": 1, "first_byte": 30}, "silent": {"idle": 1, "first_byte": 1}}
        names = [*SOUND[:3], *BROKEN, *REFUSING]
        rows: dict[str, Any] = {name: {} for name in names}
        rows |= {name: {"timeouts": timeouts} for name, timeouts in limits.items()}
        text = json.dumps(
            {
                "up": {"defaults": {"api_type": "openai", "api_host": f"{peer}/v1"}, **rows},
                "ollama": {"defaults": {"api_host": peer}, "ollama": {}},
                "dead": {"defaults": {"api_type": "openai", "api_host": "http://127.0.0.1:9"}, "dead": {}},
                "other": {
                    "defaults": {"api_type": "openai", "api_host": f"{self._other.url}/v1"},
                    "m": {},
                    "large": {},
                },
                "claude": {
                    "defaults": {"api_type": "anthropic", "api_host": self._other.url},
                    "claude": {},
                },
                "demo": {f"mark-{number}": {}},
            }
        )
        new = self.folder / "models.new"
        new.write_text(text[:-1] if number % 5 == 4 else text, "utf-8")
        os.replace(new, self.folder / "models.json")

    # -- the log

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        async for raw in process.stderr:
            try:
                line = json.loads(raw)
            except ValueError:
                self.failures.append(f"not a line of the log: {raw[:300]!r}")
                continue
            self._see(line)

    def _see(self, line: dict[str, Any]) -> None:
        message = line["message"]
        self.lines[f"{line['level']} {message}"] += 1
        if message == "listening":
            self._url = line["url"]
        elif message == "request":
            name = line["request_id"]
            if not name.startswith("soak-"):
                return
            wanted = self._awaited.pop(name, 0)
            if wanted is not None and wanted != line["status"]:
                self.failures.append(f"the log says {line['status']} instead of {wanted}: {line}")
        elif line["level"] in ("ERROR", "CRITICAL") and _EXPECTED not in message:
            self.failures.append(f"unexplained: {line}")

    def _judge_lines(self) -> None:
        if self._awaited:
            some = ", ".join(list(self._awaited)[:5])
            self.failures.append(f"{len(self._awaited)} requests have no access line: {some}")
        if not self.lines.total() > self.edits:
            self.failures.append("there is no log")

    # -- the size

    async def _quiet(self, pid: int, upstream: Upstream) -> None:
        """Without load everything is given back."""
        await self._until(lambda: upstream.open == 0, "the upstream still answers somebody", 20)
        await self._until(lambda: not self._awaited, "requests are without an access line", 20)
        # One for each: the file that is being looked at, and the connection of whoever looks.
        limit = self._idle.descriptors + 4
        await self._until(lambda: Sample.of(pid).descriptors <= limit, "descriptors are kept", 20)
        self.last = last = Sample.of(pid)
        if (
            last.threads > self._idle.threads + 12
        ):  # threads for what is large, for looking up and for the heap are kept
            self.failures.append(f"threads: {self._idle.threads} before, {last.threads} after")
        # Each kind of attack leaves a process larger once: what counts is whether the second of them does, too.
        start = self._seen_all or len(self.samples) // 5
        part = max(1, (len(self.samples) - start) // 3)
        early, late = (
            size_of(self.samples[start : start + part] or self.samples),
            size_of(self.samples[-part:]),
        )
        if late > early * (1 + self.growth) + (8 << 20):
            self.failures.append(f"resident memory grew from {early} to {late} bytes")

    async def _until(self, condition: Any, problem: str, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                self.failures.append(problem)
                return
            await asyncio.sleep(0.05)

    @property
    def idle(self) -> Sample:
        """What the process held before the load."""
        return self._idle

    def tenths(self) -> list[list[Sample]]:
        """The samples, in tenths of the time."""
        size = max(1, -(-len(self.samples) // 10))
        return [self.samples[at : at + size] for at in range(0, len(self.samples), size)]

    def report(self) -> str:
        """A few lines for people."""
        sizes = ", ".join(f"{size_of(part) / (1 << 20):.1f}" for part in self.tenths())
        total = sum(self.asked.values())
        kinds = ", ".join(f"{name} {count}" for name, count in sorted(self.asked.items()))
        return (
            f"seed {self.seed}: {total} requests, {self.edits} edits, {len(self.failures)} failures\n{kinds}\n"
            f"resident in MiB, in tenths of the time: {sizes}\n"
            f"{self.attacks.total()} attacks of {len(self.attacks)} kinds\n"
            f"descriptors at most {max(s.descriptors for s in self.samples)}, idle {self._idle.descriptors}\n"
            + "\n".join(f"{count:8} {line}" for line, count in self.lines.most_common())
        )


def size_of(samples: list[Sample]) -> int:
    """What is resident between the attacks, which take memory and give it back: the lower quartile."""
    return sorted(sample.rss for sample in samples)[len(samples) // 4]
