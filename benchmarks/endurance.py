"""What the gateway takes to start, holds for an open stream, and keeps after many requests; what a reload takes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from benchmarks import reload as reloading
from benchmarks.building import Missing
from benchmarks.loads import Bench, targets
from benchmarks.measure import held, load, resident
from benchmarks.peers import PATIENCE, command_of
from benchmarks.processes import (
    Target,
    free_port,
    gateway_command,
    more_descriptors,
    running,
    upstream,
    wait_for,
)
from benchmarks.questions import question
from benchmarks.table import GATEWAY, LITELLM, SYSTEM, Row

_MIB = 1024**2


def memory(bench: Bench) -> list[Row]:
    """Resident memory of one more open stream that says nothing, in a fresh process each time."""
    rows = []
    asked = question(bench.place, "idle", stream=True)
    for streams in (1000, 5000):
        count = bench.times(streams)
        if 2 * count + 500 > more_descriptors():
            raise Missing(f"{count:,} idle streams need a higher limit on open files (ulimit -n)")
        row = Row(f"memory.{streams}", f"memory of an idle stream, {count:,} open", "KiB")
        for _ in range(max(1, bench.runs // 2)):
            with targets(bench, "idle") as found:
                for target in found[:-1]:
                    with held(target, asked, 10, 0.1):
                        pass
                    before = resident(target.pid)
                    with held(target, asked, count, count / 1000):
                        row.add(target.name, (resident(target.pid) - before) / count / 1024)
        rows.append(row)
    return rows


def start(bench: Bench) -> list[Row]:
    """From starting the process to its first answer."""
    seconds = Row("start", "start to the first answer", "s")
    size = Row("start.memory", "memory after the start", "MiB")
    with upstream("fast", bench.place) as behind:
        _of(bench, GATEWAY, behind)  # so that all modules are compiled
        for run in range(bench.runs):
            for name in (GATEWAY, *bench.peers):
                if name == LITELLM and run:
                    continue  # half a minute each time
                try:
                    took, holds = _of(bench, name, behind)
                except Missing as missing:
                    if name == GATEWAY:
                        raise
                    bench.lacks(name, missing)
                    continue
                seconds.add(name, took)
                size.add(name, holds / _MIB)
    return [seconds, size]


def _of(bench: Bench, name: str, behind: int) -> tuple[float, int]:
    """Seconds to the first answer of that target, and its bytes of memory then."""
    port = free_port()
    if name in (GATEWAY, SYSTEM):
        command, env = gateway_command(bench.place, port, {"fast": behind}, bench.peers.get(name))
        path = "/api/ping"
    else:
        command, env, path = command_of(name, bench.place, bench.peers[name], port, "fast", behind)
    return _start(bench, command, env, f"http://127.0.0.1:{port}{path}", PATIENCE.get(name, 60.0))


def _start(
    bench: Bench, command: list[str | Path], env: Mapping[str, str], url: str, patience: float
) -> tuple[float, int]:
    log, began = bench.place / f"start-{Path(command[0]).name}.log", time.perf_counter()
    with running(command, log, env) as pid:
        wait_for(url, log, patience)
        return time.perf_counter() - began, resident(pid)


def flat(bench: Bench) -> list[Row]:
    """Resident memory over many requests, a tenth of them streams: after the first tenth, which is the warm-up, and
    after the last."""
    total = bench.requests
    key = "flat.million" if total >= 1_000_000 else "flat.less"
    warm = Row("flat.warm", f"memory after {total // 10:,} requests", "MiB")
    end = Row("flat.end", f"memory after {total:,} requests", "MiB")
    growth = Row(key, f"growth of memory from {total // 10:,} to {total:,} requests", "%")
    with targets(bench, "fast") as found:
        for target in found[:-1]:
            sizes, bad = _sizes(bench, target, total)
            warm.add(target.name, sizes[0] / _MIB)
            end.add(target.name, sizes[-1] / _MIB, bad)
            growth.add(target.name, (sizes[-1] / sizes[0] - 1) * 100, bad)
    return [warm, end, growth]


def _sizes(bench: Bench, target: Target, total: int) -> tuple[list[int], int]:
    """Resident memory after each tenth of the requests, and how many had a bad answer."""
    asked = [question(bench.place, "fast", stream=stream) for stream in (False, True)]
    sizes, bad = [], 0
    for _ in range(10):
        for one, count in zip(asked, (total * 9 // 100, total // 100), strict=True):
            bad += load(target, one, 50, max(1, count // 50)).bad
        sizes.append(resident(target.pid))
        bench.forget_log()
    return sizes, bad


def reload(bench: Bench) -> list[Row]:
    """An edit of the configuration: from the rename of the file to its effect, and how long it holds the loop."""
    rows = []
    for size in reloading.SIZES:
        of = f"{size:,} models and prompts"
        effect = Row(f"reload.{size}", f"reload with {of}: from rename to effect, median", "ms")
        worst = Row(f"reload.{size}.held", f"reload with {of}: loop held, worst", "ms")
        effects, delays = reloading.measure(size, bench.times(reloading.RUNS))
        effect.add(GATEWAY, median(effects) * 1e3)
        worst.add(GATEWAY, max(delays) * 1e3)
        rows += [effect, worst]
    return rows
