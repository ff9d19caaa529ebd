"""From rename to effect: ``python -m benchmarks.reload``.

The real service in a process of its own, with N models and N prompts (or N keys). Each run replaces the configuration (or the file of
keys) by rename and measures the time until a request is answered by the new snapshot; meanwhile a task in the service that sleeps for a
millisecond records how long the loop was held. Who edits and asks is another process: what it computes must not
compete for the service's interpreter. Medians and maxima in milliseconds. Of keys also what an edit takes of CPU, all of it (the words for the log
come after the effect), and how much larger the process is for them, in MiB.
"""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop

from benchmarks.measure import cpu_seconds, resident
from llm_proxy.service.listeners import Listeners
from llm_proxy.service.server import Service
from llm_proxy.settings import Settings

RUNS = 15
SIZES = (200, 5000)
KEYS = (1000, 100_000)
#: Edits come this far apart, so that no two of them share a quiet period.
PAUSE = 0.3
#: In so many seconds all that follows an edit is done.
_REST = 3.0


def prepare(path: Path, size: int, mark: int) -> Path:
    """A file beside ``path``: ``size`` models with options of their own, and one whose name says which edit this is."""
    models = {
        f"model-{n}": {"options": {"temperature": 0.5, "num_ctx": 1024 + n}, "weight": 1} for n in range(size)
    }
    text = json.dumps({"ollama": {"defaults": {"keep_alive": "30m"}, **models, f"mark-{mark}": {}}}, indent=1)
    new = path.with_suffix(f".{mark}")
    new.write_text(text, "utf-8")
    return new


async def lag(found: list[float]) -> None:
    """Record how much longer than asked for each sleep of a millisecond took, in seconds."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        found.append(time.perf_counter() - began - 0.001)


async def serve(config: str, prompts: str, access: str = "") -> None:
    """The service: says its port, and when its input ends, the delays of its loop, in seconds."""
    files = {"models_config": config, "prompts_dir": prompts, **({"access": access} if access else {})}
    settings = Settings.read({}, {"port": "0", **files})
    service = Service(settings, {})
    listeners = Listeners.open(settings)
    service.start(listeners)
    gc.freeze()
    delays: list[float] = []
    watching = asyncio.create_task(lag(delays))
    print(listeners.main[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    watching.cancel()
    at_once = asyncio.Event()
    at_once.set()
    await service.stop(at_once)
    print(json.dumps(delays))


def generation(connection: http.client.HTTPConnection) -> str | None:
    """The generation that answers a request right now."""
    connection.request("GET", "/api/ping")
    with connection.getresponse() as answer:
        answer.read()
        return answer.headers["X-Config-Generation"]


def measure(size: int, runs: int = RUNS) -> tuple[list[float], list[float]]:
    """Seconds from rename to effect for each of so many edits of ``size`` models beside as many prompts, and the loop's delays
    meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for n in range(size):
            prompt(place, n)
        config = place / "models-config.json"
        first, *edits = [prepare(config, size, mark) for mark in range(runs + 1)]
        os.replace(first, config)
        return _measured(place, config, edits)


@dataclass
class Weight:
    """What edits cost the process beside time: seconds of CPU for each, and how large it is after the start and at the end, in bytes."""

    cpu: float = 0.0
    started: int = 0
    ended: int = 0


def measure_keys(
    size: int, runs: int = RUNS, weight: Weight | None = None, ways: int = 1000
) -> tuple[list[float], list[float]]:
    """The same for edits of a file of ``size`` keys."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        prompt(place, 0)
        os.replace(prepare(place / "models-config.json", 1, 0), place / "models-config.json")
        file = place / "access.json"
        first, *edits = [prepare_keys(file, size, mark, ways) for mark in range(runs + 1)]
        os.replace(first, file)
        return _measured(place, file, edits, weight)


def prompt(place: Path, number: int) -> None:
    """One more prompt."""
    folder = place / "prompts" / "en"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"prompt-{number}.prompt").write_text(f"Prompt {number}: {{{{ topic }}}}\n" * 10, "utf-8")


def prepare_keys(path: Path, size: int, mark: int, ways: int = 1000) -> Path:
    """A file beside ``path``: ``size`` keys, one of which differs from edit to edit; of so many ``ways`` to be limited each has one."""
    keys: dict[str, dict[str, object]] = {
        f"key-{n}": {"hash": f"sha256:{n:064x}", "limits": {"rpm": 1000 + n % ways}} for n in range(size)
    }
    keys[f"key-{size // 2}"]["limits"] = {"rpm": 10 + mark}
    new = path.with_suffix(f".{mark}")
    new.write_text(json.dumps({"keys": keys}, indent=1), "utf-8")
    return new


def _measured(
    place: Path, file: Path, edits: list[Path], weight: Weight | None = None
) -> tuple[list[float], list[float]]:
    paths = [place / "models-config.json", place / "prompts", *place.glob("access.json")]
    command = [sys.executable, "-m", "benchmarks.reload", *map(str, paths)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        port = int(service.stdout.readline())
        connection = http.client.HTTPConnection("127.0.0.1", port)
        if weight is not None:
            time.sleep(_REST)
            weight.started, weight.cpu = resident(service.pid), -cpu_seconds(service.pid)
        effects = [effect(edit, file, connection) for edit in edits]
        if weight is not None:
            time.sleep(_REST)
            weight.ended = resident(service.pid)
            weight.cpu = (weight.cpu + cpu_seconds(service.pid)) / len(edits)
        connection.close()
        delays, _ = service.communicate()
    return effects, json.loads(delays)


def effect(edit: Path, config: Path, connection: http.client.HTTPConnection) -> float:
    """Seconds until the edit answers."""
    time.sleep(PAUSE)
    before = generation(connection)
    began = time.perf_counter()
    os.replace(edit, config)
    while generation(connection) == before:
        time.sleep(0.001)
    return time.perf_counter() - began


def main() -> None:
    """Print the table, or be the service that is measured."""
    if sys.argv[1:]:
        uvloop.run(serve(*sys.argv[1:]))
        return
    print("| models and prompts | rename to effect, median | worst | loop held, 99 % | worst |")
    print("|---|---|---|---|---|")
    for size in SIZES:
        effects, delays = measure(size)
        delays.sort()
        figures = [statistics.median(effects), max(effects), delays[int(len(delays) * 0.99)], delays[-1]]
        print(f"| {size} of each | " + " | ".join(f"{1000 * value:.1f} ms" for value in figures) + " |")
    print(
        "\n| keys | rename to effect, median | worst | loop held, 99 % | worst | CPU of an edit | started | after edits |"
    )
    print("|---|---|---|---|---|---|---|---|")
    least: Weight | None = None
    for size, ways in ((KEYS[0], 1000), *((many, ways) for many in KEYS[1:] for ways in (1000, many))):
        weight = Weight()
        effects, delays = measure_keys(size, weight=weight, ways=ways)
        least = least or weight
        delays.sort()
        figures = [
            statistics.median(effects),
            max(effects),
            delays[int(len(delays) * 0.99)],
            delays[-1],
            weight.cpu,
        ]
        times = " | ".join(f"{1000 * value:.0f} ms" for value in figures)
        more = " | ".join(
            f"{(now - least.started) / 1024**2:+.0f} MiB" for now in (weight.started, weight.ended)
        )
        own = ", each with its own limits" if ways >= size > KEYS[0] else ""
        print(f"| {size:,}{own} | {times} | {more} |")


if __name__ == "__main__":
    main()
