"""Who stands beside the gateway: how each is started, and that one that does not serve is missed by nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from benchmarks import building, loads, peers
from benchmarks.building import Missing
from benchmarks.loads import Bench
from benchmarks.measure import Outcome
from benchmarks.processes import Target
from benchmarks.table import DIRECT, GATEWAY, LITELLM, OTHERS, ROUTER, SMG, SYSTEM


def test_how_they_are_started(tmp_path: Path) -> None:
    """Routers in Rust take the same flags, smg one more; LiteLLM has a file with the one model, and asks nobody outside."""
    router, more, _ = peers.command_of(ROUTER, tmp_path, tmp_path / ROUTER, 1, "fast", 2)
    smg, _, _ = peers.command_of(SMG, tmp_path, tmp_path / SMG, 1, "fast", 2)
    litellm, offline, health = peers.command_of(LITELLM, tmp_path, tmp_path / "litellm", 3, "fast", 2)

    assert {} == more
    assert "http://127.0.0.1:2" == router[-1] == smg[-1]
    assert "launch" == smg[1]
    assert "fast=unknown" in smg
    (row,) = json.loads(Path(litellm[2]).read_text())["model_list"]
    assert ("fast", "http://127.0.0.1:2/v1") == (row["model_name"], row["litellm_params"]["api_base"])
    assert "True" == offline["LITELLM_LOCAL_MODEL_COST_MAP"]
    assert "/health/liveliness" == health


def test_who_does_not_serve_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its column stays empty, the others are measured; what its log says at the end is told, not all of it."""

    @contextmanager
    def peer(name: str, place: Path, program: Path, kind: str, port: int) -> Iterator[Target]:
        if name == LITELLM:
            raise Missing("no answer from x:\nmuch\nmore\nno memory\n")
        yield Target(name, 1, "/", 1)

    monkeypatch.setattr(loads, "peer", peer)
    monkeypatch.setattr(loads, "load", lambda *what: None)
    monkeypatch.setattr(loads, "upstream", lambda kind, place: nullcontext(1))
    monkeypatch.setattr(loads, "gateway", lambda place, upstreams: nullcontext(Target(GATEWAY, 2, "/", 2)))
    bench = Bench(tmp_path, dict.fromkeys((ROUTER, SMG, LITELLM), tmp_path))
    for _ in range(2):
        with loads.targets(bench, "fast", OTHERS) as found:
            assert [GATEWAY, ROUTER, SMG, DIRECT] == [target.name for target in found]

    assert ["LiteLLM does not serve: no answer from x: no memory"] == bench.remarks
    with loads.targets(bench, "fast") as found:
        assert [GATEWAY, ROUTER, DIRECT] == [target.name for target in found]


def test_a_slow_one_has_its_share(tmp_path: Path) -> None:
    """Of a thousand requests LiteLLM is given forty, and always one."""
    slow = Target(LITELLM, 1, "/", 1, peers.SHARES[LITELLM])
    bench = Bench(tmp_path, scale=0.5)

    assert (500, 20, 1) == (bench.times(1000), bench.times(1000, slow), bench.times(1, slow))


def test_a_slow_one_comes_twice(tmp_path: Path) -> None:
    """Of five runs LiteLLM is in the first two."""
    slow, quick = Target(LITELLM, 1, "/", 1, 0.1), Target(SMG, 1, "/", 1)
    outcome = Outcome(1, 0, 1.0, 1.0, {}, {})
    order = [
        target.name for target, _ in loads.in_turns(Bench(tmp_path), [slow, quick], lambda target: outcome)
    ]

    assert [LITELLM, SMG, LITELLM, SMG, SMG, SMG, SMG] == order


def test_a_python_without_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Debian's Python cannot be given what the gateway needs, that is a sentence."""
    broken = tmp_path / "python3"
    broken.write_text("#!/bin/sh\necho 'no module named venv' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(building, "BUILD", tmp_path)
    monkeypatch.setattr(building, "SYSTEM_PYTHON", broken)

    assert {} == peers.found((SYSTEM,))[0]
    assert [
        "an environment of Debian's Python cannot be installed: no module named venv; its column stays empty"
    ] == (peers.found((SYSTEM,))[1])
