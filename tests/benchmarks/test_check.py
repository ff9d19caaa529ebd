"""What got dearer, and at which commit: verdicts on figures made up, and git on a small history."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks import bisecting, check, peers
from benchmarks.bisecting import first_bad
from benchmarks.building import Missing
from benchmarks.loads import Bench
from benchmarks.table import GATEWAY, ROUTER, Row
from tests.benchmarks.kit import a_row

_STEADY = [2.0, 2.02, 1.98, 2.01, 1.99]


@pytest.mark.parametrize(
    ("now", "word"),
    [
        (_STEADY, "as before"),
        ([value * 1.08 for value in _STEADY], "as before"),  # ratios move so much from machine to machine
        ([value * 1.15 for value in _STEADY], "dearer"),
        ([value / 1.15 for value in _STEADY], "cheaper"),
        ([1.6, 1.8, 2.3, 2.9, 3.2], "as before"),  # more than a tenth, but so is the noise
    ],
)
def test_verdicts(now: list[float], word: str) -> None:
    """Another is what differs by more than a tenth and by more than the noise."""
    assert word == check.verdict(_STEADY, now).word


def test_the_noise_of_few_runs_is_more() -> None:
    """Of twice as many runs with the same spread the noise is less."""
    few, many = check.verdict(_STEADY, _STEADY), check.verdict(_STEADY * 4, _STEADY * 4)

    assert 0 < many.noise < few.noise < 0.05


def test_ratios_are_those_of_each_run() -> None:
    """Run by run beside the router, or beside another row of the gateway; what was not measured is not there."""
    rows = {
        "answer.cpu": a_row("answer.cpu", gateway=[200.0, 300.0], router=[100.0, 100.0]),
        "token.cpu": a_row("token.cpu", gateway=[20.0, 40.0]),
        "ollama.cpu": a_row("ollama.cpu", gateway=[30.0, 50.0]),
        "configured": a_row("configured", gateway=[1.2]),
    }

    assert {
        "answer.cpu": [2.0, 3.0],
        "ollama.cpu": [1.5, 1.25],
        "configured": [1.2],
    } == check.ratios(rows)


@pytest.fixture
def sitting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[float]:
    """The gateway's CPU of each sitting that is to come; nothing is started."""
    coming: list[float] = []

    def measured(bench: Bench) -> dict[str, Row]:
        row = Row("answer.cpu", "CPU of a request", "us")
        cost = coming.pop(0)
        for _ in range(bench.runs):
            row.add(GATEWAY, cost)
            row.add(ROUTER, 100.0)
        return {"answer.cpu": row}

    monkeypatch.setattr(check, "measured", measured)
    monkeypatch.setattr(check, "compiled", lambda name: tmp_path)
    monkeypatch.setattr(check, "BUILD", tmp_path)
    monkeypatch.setattr(check, "more_descriptors", lambda: 1)
    monkeypatch.setattr(peers, "found", lambda wanted: ({ROUTER: tmp_path}, []))
    return coming


def test_the_command(sitting: list[float], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It writes the ratios, is content with the same, and ends with 1 where something is dearer twice in a row."""
    command = ["--file", str(tmp_path / "ratios.json"), "--runs", "3"]
    sitting += [200.0, 210.0, 260.0, 260.0]

    assert 2 == check.main(command)
    assert 0 == check.main([*command, "--write"])
    assert {"answer.cpu": [2.0] * 3} == json.loads((tmp_path / "ratios.json").read_text())["ratios"]
    assert 0 == check.main(command)
    assert 1 == check.main(command)
    assert "dearer    CPU of a request: 2.00 -> 2.60 (x 1.30" in capsys.readouterr().out
    assert [] == sitting


def test_dearer_once_is_chance(sitting: list[float], tmp_path: Path) -> None:
    """What was dearer and is not when it is measured again was the machine."""
    command = ["--file", str(tmp_path / "ratios.json"), "--runs", "3"]
    sitting += [200.0, 260.0, 190.0]
    check.main([*command, "--write"])

    assert 0 == check.main(command)


def test_it_bisects_on_demand(
    sitting: list[float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With --bisect the row that grew most is looked for."""
    command = ["--file", str(tmp_path / "ratios.json"), "--runs", "3"]
    sitting += [200.0, 260.0, 260.0]
    monkeypatch.setattr(bisecting, "found", lambda bench, key, good: f"{key} grew")
    check.main([*command, "--write"])

    assert 1 == check.main([*command, "--bisect"])
    assert "answer.cpu grew" in capsys.readouterr().out


def test_without_the_router(
    sitting: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is none there is no ratio, and that is no verdict."""
    monkeypatch.setattr(peers, "found", lambda wanted: ({}, ["no vllm-router"]))

    assert 2 == check.main(["--write", "--file", str(tmp_path / "ratios.json")])
    assert "not measured: no vllm-router" in capsys.readouterr().err


def test_every_ratio_can_be_looked_for() -> None:
    """Each row of the check can be bisected."""
    assert check.RATIOS.keys() == bisecting.LOADS.keys()


def git(place: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@test", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *arguments], cwd=place, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def history(tmp_path: Path) -> list[str]:
    """Ten commits in ``tmp_path``, each with its number in a file."""
    git(tmp_path, "init", "--quiet")
    commits = []
    for number in range(10):
        (tmp_path / "cost").write_text(str(number))
        git(tmp_path, "add", "cost")
        git(tmp_path, "commit", "--quiet", "-m", f"commit {number}")
        commits.append(git(tmp_path, "rev-parse", "HEAD"))
    return commits


def test_the_first_dearer_commit_is_found(history: list[str], tmp_path: Path) -> None:
    """By halving, and past commits that cannot be measured; the worktree is where it was."""
    looked: list[int] = []

    def judge(tree: Path) -> bool | None:
        number = int((tree / "cost").read_text())
        looked.append(number)
        return None if number == 4 else number >= 6

    assert history[6] == first_bad(tmp_path, history[0], "HEAD", judge)
    assert len(looked) < 7
    assert history[9] == git(tmp_path, "rev-parse", "HEAD")


def test_nothing_that_can_be_measured(history: list[str], tmp_path: Path) -> None:
    """If no commit between can be measured, that is said."""
    with pytest.raises(Missing, match="none can be measured"):
        first_bad(tmp_path, history[0], "HEAD", lambda tree: None)
