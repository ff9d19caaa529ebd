"""The curves: what a token, an open stream, a request and an edit cost, from few to many.

Laws: a curve is a list of points, each a size and the values of its runs; the sizes of one curve are measured in turns. A token is
measured while streams are open, at one rate of tokens however many streams share it, so that opening them is not in it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks import reload as reloading
from benchmarks.building import Missing
from benchmarks.configured import access_file
from benchmarks.loads import Bench
from benchmarks.measure import cpu_seconds, held, load, resident
from benchmarks.peers import peer
from benchmarks.processes import Kind, Target, errors_logged, gateway, upstream
from benchmarks.questions import Question, question
from benchmarks.table import ROUTER

#: By the size of a point the values of its runs.
Points = dict[int, list[float]]
#: By the name of a line its points.
Curve = dict[str, Points]

STREAMS = (10, 30, 100, 300, 1000, 3000, 5000)
SIZES = (1, 10, 100, 1000, 10_000)
#: Tokens a second, of all streams together; for how long they are counted; how long streams may take to settle before.
RATE, SECONDS, SETTLE = 4000, 6.0, 1.0
_TURNS = 11
_MIB = 1024**2


def tokens(bench: Bench) -> dict[str, Curve]:
    """Microseconds of CPU for a token."""
    curve: Curve = {}
    asked = question(bench.place, "paced", stream=True)
    for _ in range(bench.runs):
        for streams in STREAMS:
            kind = Kind(1_000_000_000, streams * 1_000_000 // RATE)
            with ExitStack() as stack:
                port = stack.enter_context(upstream(kind, bench.place))
                for target in _both(bench, stack, "paced", port):
                    value = _token(target, asked, streams, max(1.0, SECONDS * bench.scale))
                    curve.setdefault(target.name, {}).setdefault(streams, []).append(value)
            bench.forget_log()
    return {"token": curve}


def _both(bench: Bench, stack: ExitStack, kind: str, port: int) -> list[Target]:
    found = [stack.enter_context(gateway(bench.place, {kind: port}))]
    if bench.router is not None:
        found.append(stack.enter_context(peer(ROUTER, bench.place, bench.router, kind, port)))
    return found


def _token(target: Target, asked: Question, streams: int, seconds: float) -> float:
    with held(target, asked, streams, max(0.2, streams / 1000)) as events:
        time.sleep(SETTLE)
        first, before = events(), cpu_seconds(target.pid)
        time.sleep(seconds)
        last, after = events(), cpu_seconds(target.pid)
    if last == first:
        raise Missing(f"no token came through {target.name} while {streams:,} streams were open")
    return (after - before) / (last - first) * 1e6


def streams_held(bench: Bench) -> dict[str, Curve]:
    """MiB that open streams take which say nothing."""
    curve: Curve = {}
    asked = question(bench.place, "idle", stream=True)
    with ExitStack() as stack:
        port = stack.enter_context(upstream("idle", bench.place))
        for target in _both(bench, stack, "idle", port):
            with held(target, asked, 2, 0.1):
                pass
            before, open_now = resident(target.pid), 0
            with ExitStack() as more:
                for streams in STREAMS:
                    further = streams - open_now
                    more.enter_context(held(target, asked, further, further / 1000))
                    open_now = streams
                    value = (resident(target.pid) - before) / _MIB
                    curve.setdefault(target.name, {}).setdefault(streams, []).append(value)
    bench.forget_log()
    return {"streams": curve}


def requests(bench: Bench) -> dict[str, Curve]:
    """Microseconds of CPU for a request, and MiB after the start, by the number of models, keys and prompts."""
    cost: Curve = {}
    memory: Curve = {}
    for name, prepared in PREPARED.items():
        with ExitStack() as stack:
            port = stack.enter_context(upstream("fast", bench.place))
            found: dict[int, tuple[Target, Question]] = {}
            for size in SIZES:
                place = bench.place / f"{name}-{size}"
                place.mkdir(exist_ok=True)
                more, asked, path = prepared(place, size, port)
                target = stack.enter_context(gateway(place, {"fast": port}, more))
                found[size] = replace(target, path=path), asked
                load(found[size][0], asked, 8, bench.times(40))
                memory.setdefault(name, {})[size] = [resident(target.pid) / _MIB]
            for _ in range(bench.runs):
                _turns(bench, found, cost.setdefault(name, {}))
        for size in SIZES:
            bench.errors.extend(errors_logged(bench.place / f"{name}-{size}"))
    return {"requests": cost, "started": memory}


def _turns(bench: Bench, found: Mapping[int, tuple[Target, Question]], points: Points) -> None:
    """One run: the median of short loads in turns, so that a look at ten thousand prompts, which comes once a minute and belongs to no
    request, is not told of the few that it met."""
    spent: Points = {size: [] for size in found}
    for _ in range(_TURNS):
        for size, (target, asked) in found.items():
            outcome = load(target, asked, 8, bench.times(50))
            if outcome.bad:
                bench.errors.append(f"{outcome.bad} bad answers of {outcome.requests} at {size:,}")
            spent[size].append(outcome.cpu / outcome.requests * 1e6)
    for size, values in spent.items():
        points.setdefault(size, []).append(median(values))


Prepared = tuple[dict[str, str], Question, str]


def _models(place: Path, size: int, port: int) -> Prepared:
    """So many models, all of one server; the middle one is asked for."""
    host = f"http://127.0.0.1:{port}/v1"
    rows = {f"model-{n}": {"api_type": "openai", "api_host": host, "model": "fast"} for n in range(size)}
    config = place / "models.json"
    config.write_text(json.dumps({"bench": rows}))
    asked = question(place, "fast", stream=False, model=f"model-{size // 2}")
    return {"LLM_PROXY_API_MODELS_CONFIG": str(config)}, asked, "/v1/chat/completions"


def _keys(place: Path, size: int, port: int) -> Prepared:
    """So many keys, each with limits and budgets."""
    asked = question(place, "fast", stream=False)
    return {"LLM_PROXY_API_ACCESS": str(access_file(place, size - 1))}, asked, "/v1/chat/completions"


def _prompts(place: Path, size: int, port: int) -> Prepared:
    """So many prompts; the middle one is used."""
    for number in range(size):
        reloading.prompt(place, number)
    body = place / "prompt.json"
    variables = {"topic": "the printing press"}
    asked = {"model": "fast", "prompt": f"prompt-{size // 2}", "prompt_vars": variables, "stream": False}
    body.write_text(json.dumps({**asked, "messages": [{"role": "user", "content": "Hello"}]}))
    return {"LLM_PROXY_API_PROMPTS_DIR": str(place / "prompts")}, Question(body, 0), "/api/chat"


PREPARED: Mapping[str, Callable[[Path, int, int], Prepared]] = {
    "models": _models,
    "keys": _keys,
    "prompts": _prompts,
}


def reloads(bench: Bench) -> dict[str, Curve]:
    """Milliseconds from rename to effect, and for which the loop is held at worst."""
    effects: Curve = {}
    delays: Curve = {}
    runs = max(3, bench.times(9))
    for name, measure in (("models and prompts", reloading.measure), ("keys", reloading.measure_keys)):
        for size in SIZES:
            took, held_for = measure(size, runs)
            effects.setdefault(name, {})[size] = [value * 1e3 for value in took]
            delays.setdefault(name, {})[size] = [max(held_for) * 1e3]
    return {"effect": effects, "held": delays}


PARTS: Mapping[str, Callable[[Bench], dict[str, Curve]]] = {
    "tokens": tokens,
    "streams": streams_held,
    "requests": requests,
    "reload": reloads,
}


def times(points: Mapping[int, Sequence[float]]) -> float:
    """By how much the last point is above the first: 1 is flat."""
    first, last = min(points), max(points)
    return median(points[last]) / median(points[first])
