"""How costs grow: what is prepared for each size, what is kept, what is told, and that all of it can be drawn."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks import building, peers
from benchmarks.building import Missing
from benchmarks.growth import __main__ as command
from benchmarks.growth import measures
from benchmarks.growth.measures import PREPARED, Curve
from benchmarks.loads import Bench
from tests.benchmarks.kit import needs_compiler

CURVES: dict[str, Curve] = {
    "token": {"gateway": {10: [20.0], 5000: [30.0, 50.0, 40.0]}, "vllm-router": {10: [10.0], 5000: [30.0]}},
    "streams": {"gateway": {10: [0.2], 5000: [120.0]}, "vllm-router": {10: [0.2], 5000: [400.0]}},
    "requests": {name: {1: [100.0, 120.0], 10_000: [110.0, 120.0]} for name in PREPARED},
    "started": {name: {1: [50.0], 10_000: [70.0]} for name in PREPARED},
    "effect": {name: {1: [50.0], 10_000: [190.0]} for name in ("models and prompts", "keys")},
    "held": {name: {1: [1.0], 10_000: [8.0]} for name in ("models and prompts", "keys")},
}


@needs_compiler
@pytest.mark.parametrize("name", PREPARED)
def test_a_gateway_of_many_answers(
    build: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 30 models, keys or prompts the request that is measured is answered well."""
    monkeypatch.setattr(measures, "SIZES", (30,))
    monkeypatch.setattr(measures, "PREPARED", {name: PREPARED[name]})
    bench = Bench(tmp_path, runs=2, scale=0.02)

    found = measures.requests(bench)

    assert [] == bench.errors
    assert {30: 2} == {size: len(runs) for size, runs in found["requests"][name].items()}
    assert all(runs[0] > 1 for runs in found["started"][name].values())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where figures go; nothing is started, and nothing is drawn."""
    monkeypatch.setattr(command, "compiled", lambda name: tmp_path)
    monkeypatch.setattr(command, "BUILD", tmp_path)
    monkeypatch.setattr(command, "more_descriptors", lambda: 1)
    monkeypatch.setattr(peers, "found", lambda wanted: ({}, []))
    drawn = subprocess.CompletedProcess[str]([], 0, "", "")
    monkeypatch.setattr(command, "_drawn", lambda file, folder: drawn)
    return tmp_path / "plots"


def test_parts_are_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is measured anew replaces its own curves, and no others; by how much a line has grown is told."""
    parts = {
        "tokens": lambda bench: {"token": CURVES["token"]},
        "streams": lambda bench: {"streams": CURVES["streams"]},
    }
    monkeypatch.setattr(command, "PARTS", parts)

    assert 0 == command.main(["--folder", str(folder)])
    parts["tokens"] = lambda bench: {"token": {"gateway": {10: [20.0], 5000: [20.0]}}}
    assert 0 == command.main(["--folder", str(folder), "--only", "tokens"])

    kept = json.loads((folder / command.FIGURES).read_text())
    assert {"token", "streams"} == kept["curves"].keys()
    assert kept["command"].startswith("python -m benchmarks.growth --folder")
    told = capsys.readouterr().out
    assert "token, gateway: from 10 to 5,000: x 2.00" in told
    assert "token, gateway: from 10 to 5,000: x 1.00" in told


def test_what_cannot_be_drawn_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without matplotlib the figures are there, and the status is 1."""

    def nothing(file: Path, folder: Path) -> subprocess.CompletedProcess[str]:
        raise Missing("matplotlib cannot be installed")

    monkeypatch.setattr(command, "PARTS", {"tokens": lambda bench: {"token": CURVES["token"]}})
    monkeypatch.setattr(command, "_drawn", nothing)

    assert 1 == command.main(["--folder", str(folder)])
    assert "matplotlib cannot be installed" in capsys.readouterr().err
    assert (folder / command.FIGURES).exists()


def test_every_curve_is_drawn(tmp_path: Path) -> None:
    """Four pictures, from the figures alone: the gateway need not be there."""
    python = building.ROOT / ".venv-bench" / f"matplotlib-{building.MATPLOTLIB_VERSION}" / "bin" / "python"
    if not python.exists():
        pytest.skip("there is no matplotlib: no plots")
    (tmp_path / "growth.json").write_text(json.dumps({"curves": CURVES}))
    script = building.HERE / "growth" / "draw.py"
    subprocess.run([python, script, tmp_path / "growth.json", tmp_path], check=True, cwd=tmp_path)

    assert 4 == len(list(tmp_path.glob("growth-*.png")))
