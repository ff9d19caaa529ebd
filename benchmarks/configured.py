"""What it costs to use what is built in, in the whole program: a gateway with nothing configured, one with keys, limits and budgets, and
one with all of it (the ledger on disk, metrics scraped each second, traces of a tenth), in short turns.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from pathlib import Path

from benchmarks.loads import Bench
from benchmarks.measure import load
from benchmarks.processes import Target, gateway, upstream
from benchmarks.questions import question
from benchmarks.table import GATEWAY, Row
from benchmarks.telemetry import collector, scraped, traces_to

#: What load.c sends as its key; any text may be one.
KEY = "none"
_TURNS = 10


def configured(bench: Bench) -> list[Row]:
    """Rows of three: how much more a key costs, what all of it costs, and that beside nothing."""
    key = Row(
        "access.whole", "a key, three limits and two budgets, whole program: more CPU of a request", "us"
    )
    cpu = Row(
        "configured.cpu",
        "CPU of a request, all configured: key, limits, budgets, ledger, metrics, traces",
        "us",
    )
    times = Row("configured", "the same beside a request with nothing configured", "x plain")
    with ExitStack() as stack:
        found = _gateways(bench, stack)
        asked = question(bench.place, "fast", stream=False)
        for target in found:
            load(target, asked, 16, bench.times(40))
        for _ in range(bench.runs):
            spent, bad = [0.0] * len(found), 0
            for _ in range(_TURNS):
                for at, target in enumerate(found):
                    outcome = load(target, asked, 32, bench.times(40))
                    spent[at] += outcome.cpu / outcome.requests * 1e6 / _TURNS
                    bad += outcome.bad
            plain, with_key, with_all = spent
            key.add(GATEWAY, with_key - plain, bad)
            cpu.add(GATEWAY, with_all)
            times.add(GATEWAY, with_all / plain)
    bench.forget_log()
    return [key, cpu, times]


def _gateways(bench: Bench, stack: ExitStack) -> list[Target]:
    """Nothing, keys, everything."""
    port = stack.enter_context(upstream("fast", bench.place))
    keys = {"LLM_PROXY_API_ACCESS": str(access_file(bench.place))}
    state = bench.place / "state"
    state.mkdir(exist_ok=True)
    traces = traces_to(stack.enter_context(collector()))
    everything = {**keys, "LLM_PROXY_API_STATE": str(state), **traces}
    found = [
        stack.enter_context(gateway(bench.place, {"fast": port}, more)) for more in ({}, keys, everything)
    ]
    stack.enter_context(scraped(found[-1].port, KEY))
    return found


def access_file(place: Path, others: int = 0) -> Path:
    """A key with two limits and a budget, in a team with a third limit and another budget, beside so many ``others``."""
    many = 10**9
    row = {
        "team": "research",
        "limits": {"rpm": many, "concurrent": 10_000},
        "budgets": ["mine"],
        "admin": "read",
    }
    keys = {"bench": {"hash": _hash(KEY), **row}}
    keys.update({f"key-{n}": {"hash": _hash(f"key-{n}"), **row} for n in range(others)})
    text = {
        "keys": keys,
        "teams": {"research": {"limits": {"tpm": many}, "budgets": ["all"]}},
        "budgets": {
            "mine": {"usd": many, "per": "month", "zone": "Europe/Warsaw", "warn": [0.8], "scope": "each"},
            "all": {"usd": many, "per": "30d"},
        },
        "prices": {"fast": {"input": 2.5, "output": 10}},
    }
    folder = place / f"access-{others}"
    folder.mkdir(exist_ok=True)
    file = folder / "access.json"
    file.write_text(json.dumps(text))
    return file


def _hash(key: str) -> str:
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()
