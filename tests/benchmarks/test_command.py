"""The command: its table, its page, its exit status, and what it says when something is not to be had."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import building, peers, results
from benchmarks.building import Missing
from benchmarks.loads import Bench
from benchmarks.table import GATEWAY, ROUTER, Row
from tests.benchmarks.kit import a_row, cells, needs_compiler

pytestmark = pytest.mark.one_python("the benchmark is run by one Python, and is no part of the product")


def test_page_keeps_what_people_wrote(tmp_path: Path) -> None:
    """Only what stands between the marks is replaced; a page without them is left alone."""
    page = tmp_path / "RESULTS.md"
    results.write(page, "first")
    page.write_text(page.read_text() + "\nby hand\n")
    results.write(page, "second")
    text = page.read_text()

    assert "second" in text
    assert "first" not in text
    assert text.endswith("\nby hand\n")
    page.write_text("by hand")
    with pytest.raises(ValueError, match="has not the two marks"):
        results.write(page, "third")
    assert "by hand" == page.read_text()


@needs_compiler
def test_command(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command prints the table and writes the page; a part that cannot be measured is a remark and status 1."""

    def works(bench: Bench) -> list[Row]:
        return [a_row("start", gateway=[0.4])]

    def lacks(bench: Bench) -> list[Row]:
        raise Missing("too few files")

    monkeypatch.setattr(command, "BUILD", build)
    monkeypatch.setattr(command, "more_descriptors", lambda: 1)
    monkeypatch.setattr(command, "GROUPS", {"works": works})
    page = tmp_path / "RESULTS.md"

    assert 0 == command.main(["--quick", "--no-peers", "--write", str(page)])
    printed = capsys.readouterr().out
    assert printed.strip() in page.read_text()
    assert "`python -m benchmarks --quick --no-peers" in printed
    assert "* without other gateways, as asked" in printed
    assert any(cells(line)[-3:] == ["0.400 s", "yes", ""] for line in printed.splitlines())
    monkeypatch.setitem(command.GROUPS, "lacks", lacks)
    assert 1 == command.main(["--no-peers"])
    assert "* lacks: not measured: too few files" in capsys.readouterr().out


def test_a_busy_machine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was measured while others worked says so; on a quiet machine there is nothing to say."""
    monkeypatch.setattr(os, "getloadavg", lambda: (7.25, 0.0, 0.0))
    assert ["the machine was busy when it began: load average 7.2"] == results.busy()
    monkeypatch.setattr(os, "getloadavg", lambda: (0.4, 9.0, 9.0))
    assert [] == results.busy()


@needs_compiler
@pytest.mark.parametrize("how", ["bad answers", "errors"])
def test_command_tells_of_faults(
    build: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """A bad answer of the gateway, or an error in its log, makes the status 1; the router's faults do not."""

    def faulty(bench: Bench) -> list[Row]:
        row = a_row()
        row.add(ROUTER, 1.0, bad=7)
        if how == "bad answers":
            row.add(GATEWAY, 1.0, bad=1)
        elif how == "errors":
            bench.errors.append('{"level": "ERROR"}\n')
        return [row]

    monkeypatch.setattr(command, "BUILD", build)
    monkeypatch.setattr(command, "more_descriptors", lambda: 1)
    monkeypatch.setattr(command, "GROUPS", {"faulty": faulty})

    assert 1 == command.main(["--no-peers"])
    assert ("gateway 1" if how == "bad answers" else "the gateway logged 1 errors") in capsys.readouterr().out


def test_command_without_a_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a C compiler it says so and measures nothing."""
    monkeypatch.setattr(building, "BUILD", tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: None)

    assert 1 == command.main([])
    assert "the benchmark needs a C compiler: cc or gcc\n" == capsys.readouterr().err


def test_peers_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whom pip does not find has an empty column, and a sentence says why."""
    monkeypatch.setattr(building, "BUILD", tmp_path)
    monkeypatch.setattr(building, "SYSTEM_PYTHON", tmp_path / "python3")
    failure = subprocess.CompletedProcess([], 1, "", "looking\nERROR: no matching distribution\n")
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: failure)

    programs, remarks = peers.found()

    assert {} == programs
    assert len(peers.PROGRAMS) == len(remarks)
    assert (
        "vllm-router cannot be installed: ERROR: no matching distribution; its column stays empty" in remarks
    )
    assert f"{tmp_path / 'python3'} is not there; its column stays empty" in remarks
    assert "beside it: nobody" == peers.versions(programs)


def test_part_of_the_table_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    """The page holds the whole table or is left alone."""
    with pytest.raises(SystemExit, match="2"):
        command.main(["--only", "start", "--write"])
    assert "--write needs the whole table" in capsys.readouterr().err
