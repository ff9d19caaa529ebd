"""From rename to effect: ``python -m benchmarks.reload``.

The real service in a process of its own, with N models and N prompts. Each run replaces the configuration by rename and
measures the time until a request is answered by the new snapshot; meanwhile a task in the service that sleeps for a
millisecond records how long the loop was held. Who edits and asks is another process: what it computes must not
compete for the service's interpreter. Medians and maxima in milliseconds.
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
from pathlib import Path

import uvloop

from llm_proxy.service.listeners import Listeners
from llm_proxy.service.server import Service
from llm_proxy.settings import Settings

RUNS = 15
SIZES = (200, 5000)
#: Edits come this far apart, so that no two of them share a quiet period.
PAUSE = 0.3


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


async def serve(config: str, prompts: str) -> None:
    """The service: says its port, and when its input ends, the delays of its loop, in seconds."""
    settings = Settings.read({}, {"port": "0", "models_config": config, "prompts_dir": prompts})
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
    """Seconds from rename to effect for each of so many edits, and the loop's delays meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        config, prompts = Path(name, "models-config.json"), Path(name, "prompts")
        (prompts / "en").mkdir(parents=True)
        for n in range(size):
            (prompts / "en" / f"prompt-{n}.prompt").write_text(f"Prompt {n}: {{{{ topic }}}}\n" * 10, "utf-8")
        first, *edits = [prepare(config, size, mark) for mark in range(runs + 1)]
        os.replace(first, config)
        command = [sys.executable, "-m", __spec__.name, str(config), str(prompts)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
            assert service.stdout is not None
            port = int(service.stdout.readline())
            connection = http.client.HTTPConnection("127.0.0.1", port)
            effects = [effect(edit, config, connection) for edit in edits]
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


if __name__ == "__main__":
    main()
