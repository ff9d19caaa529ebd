"""From rename to effect: ``python -m benchmarks.reload``.

The real service on its real loop, with N models and N prompts. Each run replaces the configuration by rename and measures
the time until a request is answered by the new snapshot; meanwhile a task that sleeps for a millisecond records how
long the loop was held. Medians and maxima in milliseconds.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path

import uvloop

from llm_proxy.front.listening import listen
from llm_proxy.server import Service
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
    """Record how much longer than asked for each sleep of a millisecond took."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        found.append(time.perf_counter() - began - 0.001)


def ask(url: str) -> str:
    """The generation that answers a request right now."""
    with urllib.request.urlopen(url + "/ping") as answer:
        return str(answer.headers["X-Config-Generation"])


async def measure(size: int) -> tuple[list[float], list[float]]:
    """Seconds from rename to effect, and the loop's delays meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config, prompts = folder / "models-config.json", folder / "prompts"
        (prompts / "en").mkdir(parents=True)
        for n in range(size):
            (prompts / "en" / f"prompt-{n}.prompt").write_text(f"Prompt {n}: {{{{ topic }}}}\n" * 10, "utf-8")
        os.replace(prepare(config, size, 0), config)
        # Beforehand: what is computed in this process while it is measured would be measured too.
        edits = [prepare(config, size, mark) for mark in range(1, RUNS + 1)]
        flags = {"port": "0", "models_config": str(config), "prompts_dir": str(prompts)}
        settings = Settings.read({}, flags)
        service = Service(settings, {})
        sockets = listen(settings.host, settings.port)
        service.start(sockets)
        gc.freeze()
        url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/api"
        effects: list[float] = []
        delays: list[float] = []
        watching = asyncio.create_task(lag(delays))
        for edit in edits:
            await asyncio.sleep(PAUSE)
            before = await asyncio.to_thread(ask, url)
            await asyncio.to_thread(os.replace, edit, config)
            began = time.perf_counter()
            while await asyncio.to_thread(ask, url) == before:  # noqa: ASYNC110 (asked from outside)
                await asyncio.sleep(0.001)
            effects.append(time.perf_counter() - began)
        watching.cancel()
        at_once = asyncio.Event()
        at_once.set()
        await service.stop(at_once)
        return effects, delays


def main() -> None:
    """Print the table."""
    print("| models and prompts | rename to effect, median | worst | loop held, 99 % | worst |")
    print("|---|---|---|---|---|")
    for size in SIZES:
        effects, delays = uvloop.run(measure(size))
        delays.sort()
        figures = [statistics.median(effects), max(effects), delays[int(len(delays) * 0.99)], delays[-1]]
        print(f"| {size} of each | " + " | ".join(f"{1000 * value:.1f} ms" for value in figures) + " |")


if __name__ == "__main__":
    main()
