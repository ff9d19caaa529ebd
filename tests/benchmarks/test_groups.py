"""Every part of the table, on fakes that take no time: whose figures are reckoned from what, and under which name."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from benchmarks import configured, console, endurance, loads, reload, routing, steady, table, telemetry
from benchmarks.__main__ import GROUPS
from benchmarks.building import Missing
from benchmarks.loads import Bench
from benchmarks.measure import Outcome
from benchmarks.processes import Target
from benchmarks.table import DIRECT, GATEWAY, ROUTER, Row

pytestmark = pytest.mark.one_python("the benchmark is run by one Python, and is no part of the product")

#: CPU seconds of a load, and seconds of its median answer.
CPU = {GATEWAY: 3.0, ROUTER: 2.4, DIRECT: 0.0, loads.OLLAMA: 6.0}
MEDIAN = {GATEWAY: 0.005, ROUTER: 0.003, DIRECT: 0.001, loads.OLLAMA: 0.02}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the targets in the order in which they were measured; nothing is started."""
    order: list[str] = []
    found = [Target(GATEWAY, 1, "/", 11), Target(ROUTER, 2, "/", 22), Target(DIRECT, 3, "/", None)]

    by_name = {target.name: target for target in found}

    def load(target: Target, question: object, connections: int, requests: int, **rest: float) -> Outcome:
        order.append(target.name)
        half = MEDIAN[target.name]
        times = {"p50": half, "p90": 2 * half, "p99": 3 * half, "max": 4 * half}
        return Outcome(connections * requests, 0, 2.0, CPU[target.name], times, times)

    @contextmanager
    def held(target: Target, question: object, connections: int, ramp: float) -> Iterator[None]:
        sizes[target.pid] = 2**20 + 2**10 * connections
        yield
        sizes[target.pid] = 2**20

    def targets(bench: Bench, kind: str, others: Sequence[str] = ()) -> AbstractContextManager[list[Target]]:
        return nullcontext(list(found))

    eight = Row("routing.eight", "eight upstreams", "us")
    eight.add(GATEWAY, 8.0)
    sizes: dict[int | None, int] = {11: 2**20, 22: 2**20}
    for room in (loads, endurance, steady):
        monkeypatch.setattr(room, "targets", targets)
        monkeypatch.setattr(room, "load", load)
    monkeypatch.setattr(endurance, "held", held)
    monkeypatch.setattr(endurance, "resident", sizes.__getitem__)
    monkeypatch.setattr(endurance, "more_descriptors", lambda: 20_000)
    monkeypatch.setattr(endurance, "upstream", lambda kind, place: nullcontext(4))
    monkeypatch.setattr(endurance, "_start", lambda *what: (0.25, 2**20))
    for name in ("_answers", "wait_for"):
        monkeypatch.setattr(routing, name, lambda *what: None)
    monkeypatch.setattr(routing, "load", load)
    monkeypatch.setattr(routing, "_cost", lambda bench: eight)
    monkeypatch.setattr(configured, "load", load)
    monkeypatch.setattr(configured, "_gateways", lambda bench, stack: [found[0]] * 3)
    monkeypatch.setattr(routing, "_upstreams", lambda place: nullcontext(([1, 2, 3], 4)))
    monkeypatch.setattr(routing, "_target", lambda place, name, program, ports: nullcontext(by_name[name]))
    monkeypatch.setattr(telemetry, "_both", lambda bench: (1.0, 1.05))
    monkeypatch.setattr(console, "upstream", lambda kind, place: nullcontext(1))
    monkeypatch.setattr(console, "gateway", lambda place, ports: nullcontext(by_name[GATEWAY]))
    monkeypatch.setattr(console, "load", lambda *asked, **how: Outcome(1, 0, 2.0, 1.0, {}, {"p99": 1.0}))
    monkeypatch.setattr(console, "_share", lambda target, asked, times: (1.0, 0))
    monkeypatch.setattr(console, "_whole", lambda target, asked, times, pages: 1.0 + pages / 500)
    monkeypatch.setattr(telemetry, "_TURNS", 10)
    monkeypatch.setattr(reload, "measure", lambda size, runs: ([0.1, 0.3], [0.0, 0.02]))
    return order


def measured(tmp_path: Path, **options: Any) -> dict[str, Row]:
    bench = Bench(tmp_path, {ROUTER: Path("vllm-router")}, **options)
    rows = [row for name, group in GROUPS.items() if name != "codecs" for row in group(bench)]
    found = {row.key: row for row in rows}
    assert len(rows) == len(found), "two rows have one key"
    return found


def test_every_target_is_measured(asked: list[str], tmp_path: Path) -> None:
    """The whole table has a figure for each target; fewer requests than a million judge nothing about a million."""
    whole = measured(tmp_path, runs=2, requests=1_000_000)
    short = measured(tmp_path, runs=2, requests=999_999)

    assert [] == [goal.name for goal in table.GOALS if goal.measured(whole) is None]
    assert ["growth"] == [goal.name.split()[0] for goal in table.GOALS if goal.measured(short) is None]


def test_figures_of_the_loads(asked: list[str], tmp_path: Path) -> None:
    """CPU by request and by token, throughput, and what is added, each in its unit."""
    rows = measured(tmp_path, runs=1)

    def get(key: str, target: str = GATEWAY) -> float | None:
        value = rows[key].get(target)
        return None if value is None else round(value, 6)

    assert (312.5, 250.0, None) == tuple(get("answer.cpu", name) for name in (GATEWAY, ROUTER, DIRECT))
    assert 4800.0 == get("answer.rate", DIRECT)
    assert (4.0, 12.0) == (get("latency.1.p50"), round(get("latency.1.p99") or 0, 6))
    assert (75.0, 150.0) == (get("token.cpu"), get("ollama.cpu"))
    assert (0.015, 150.0) == (get("pace.1500"), get("pace.1500.cpu"))
    assert (1.0, 1.0, None) == tuple(get("memory.5000", name) for name in (GATEWAY, ROUTER, DIRECT))
    assert (0.25, 1.0) == (get("start", ROUTER), get("start.memory"))
    assert (0.0, None) == (get("flat.less"), get("flat.less", DIRECT))
    assert (0.0, 1.0) == (get("access.whole"), get("configured"))
    assert (5.0, 10.0, 15.0) == tuple(get(f"steady.{at}") for at in ("p50", "p90", "p99"))
    assert (200.0, 20.0) == (get("reload.200"), get("reload.5000.held"))
    assert (1.0, 20.0) == (get("console.pages"), get("console.late"))
    assert (0.0, 15.0, 1250.0) == tuple(get(f"routing.gone.{what}") for what in ("failed", "p99", "cpu"))


def test_targets_take_turns(asked: list[str], tmp_path: Path) -> None:
    """The gateway, the router and the direct call are measured run by run, not one after the other."""
    loads.answers(Bench(tmp_path, runs=2))

    assert [GATEWAY, ROUTER, DIRECT] * 2 == asked


def test_memory_needs_descriptors(asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where so many files may not be open, that is said instead of a figure."""
    monkeypatch.setattr(endurance, "more_descriptors", lambda: 4096)

    with pytest.raises(Missing, match="5,000 idle streams need a higher limit"):
        endurance.memory(Bench(tmp_path, runs=1))
