"""Routing in virtual time: the same seed gives the same course, and what production's functions promise holds there."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.simulate_routing import main
from benchmarks.simulation.run import Result
from benchmarks.simulation.scenarios import POLICIES, SCENARIOS, simulate
from benchmarks.table import DIRECT, GATEWAY, ROUTER, SMG, Row, figures

pytestmark = pytest.mark.one_python("the benchmark is run by one Python, and is no part of the product")


def course(scenario: str, policy: str = "balanced", requests: int = 1500) -> Result:
    return simulate(scenario, policy, 8, requests, 1)


def test_every_request_ends_once() -> None:
    """In every scenario, answered or failed; and the course depends on nothing but the seed."""
    for scenario in SCENARIOS:
        found = course(scenario, requests=500)
        assert len(found.waits) + len(found.failed) == 500
    again = course("limits", requests=500)
    assert again.waits == course("limits", requests=500).waits


def test_what_one_upstream_does_is_hidden() -> None:
    """An upstream that fails, refuses, hangs or limits us costs no request; far fewer attempts than without a memory."""
    for scenario in ("fails", "flaps", "hangs", "limits"):
        assert course(scenario).failures == 0
    assert course("fails").sent < course("fails", "round robin").sent


def test_a_conversation_finds_its_cache() -> None:
    """With affinity more of the prompts lie in a cache, and the first token comes sooner."""
    with_it, without = course("even"), course("even", "balanced, no affinity")

    assert with_it.hits > without.hits + 0.15
    assert with_it.quantile(0.5) < without.quantile(0.5)


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A table for each scenario, with each policy."""
    assert main(["--requests", "200", "--only", "even"]) == 0

    told = capsys.readouterr().out
    assert all(f"| {name} |" in told for name in POLICIES)
    pytest.importorskip("matplotlib", reason="there is no matplotlib: no plots")
    assert main(["--requests", "200", "--only", "even", "--only", "fails", "--plots", str(tmp_path)]) == 0
    assert {file.name for file in tmp_path.iterdir()} == {"policies.png", "over-time.png"}


def test_a_column_for_smg_only_where_it_was_measured() -> None:
    """The other tables stay as they are."""
    row = Row("k", "n", "us")
    row.add(GATEWAY, 1.0)
    assert SMG not in figures([row])
    row.add(SMG, 2.0)
    head = figures([row]).splitlines()[0]
    assert [head.index(name) for name in (GATEWAY, ROUTER, SMG, DIRECT)] == sorted(
        head.index(name) for name in (GATEWAY, ROUTER, SMG, DIRECT)
    )
