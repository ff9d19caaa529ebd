"""The ledger: rows and sums agree whatever happens to its file."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.cli import usage as usage_command
from llm_proxy.live.access import ledger as ledgers
from llm_proxy.live.access import ledger_tables as tables
from llm_proxy.live.access.ledger import NAME, Ledger
from tests.support.logs import expect_log

NOW = 1_795_000_000.0


def row(**fields: Any) -> tables.Row:
    facts = {
        "id": "r",
        "time": NOW,
        "key": "alice",
        "team": "t",
        "model": "m",
        "provider": "p",
        "face": "openai",
        "status": 200,
        "input": 10,
        "output": 5,
        "cached": 0,
        "estimated": 0,
        "micro_usd": 7,
        **fields,
    }
    return tables.row_of(facts)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "state")
    yield made
    made.close()


def count(ledger: Ledger) -> int:
    return int(ledger.ask(lambda base: base.execute("SELECT count(*) FROM usage").fetchone()[0]))


def sums(ledger: Ledger, *by: str, since: float = 0.0, key: str | None = None) -> list[dict[str, Any]]:
    return ledger.ask(lambda base: tables.usage(base, since, by, key))


def test_rows_and_sums(ledger: Ledger) -> None:
    """What is asked for by any names is what the rows add up to, from any hour on."""
    for number in range(300):
        fields = {
            "key": f"k{number % 3}",
            "model": f"m{number % 2}",
            "time": NOW - number * 3600,
            "status": 200 + number % 2 * 300,
        }
        ledger.add(row(**fields))
    for since in (NOW - 50 * 3600 - 1800, NOW - 299 * 3600, 0.0):
        start = int(since) // 3600 * 3600
        wanted = sum(1 for number in range(300) if NOW - number * 3600 >= start)
        for by in ((), ("key",), ("key", "model"), ("day",), ("team", "provider", "face")):
            found = sums(ledger, *by, since=since)
            assert sum(line["requests"] for line in found) == wanted
            assert sum(line["micro_usd"] for line in found) == 7 * wanted
    assert [line["requests"] for line in sums(ledger, key="k1")] == [100]
    assert sum(line["errors"] for line in sums(ledger)) == 150
    assert ledger.ask(tables.last_used)["k0"] == NOW


def test_prices_are_kept_by_hash(ledger: Ledger) -> None:
    """Once each."""
    for _ in range(5):
        ledger.add(row(price="abc"), ("abc", '{"input": 1}'))
    assert ledger.ask(lambda base: base.execute("SELECT * FROM prices").fetchall()) == [
        ("abc", '{"input": 1}')
    ]


def test_old_rows_go_and_days_stay(tmp_path: Path) -> None:
    """After so many days; what they added up to is still there."""
    made = Ledger(tmp_path, days=30)
    made.add(row(time=NOW - 40 * 86_400))
    made.add(row())
    count(made)
    made.ask(lambda base: tables.prune(base, NOW - 30 * 86_400))
    assert count(made) == 1
    assert [line["requests"] for line in sums(made, "day")] == [1, 1]
    made.close()


def test_a_broken_file_is_moved_aside(tmp_path: Path) -> None:
    """Told, kept under another name, and a new one begun; nothing that waits is lost."""
    for data in (b"not a database" * 500, b"SQLite format 3\0" + os.urandom(8000)):
        (tmp_path / NAME).write_bytes(data)
        made = Ledger(tmp_path)
        with expect_log("llm_proxy.live.access.ledger", "broken"):
            made.add(row())
            made._write_all()
        assert count(made) == 1
        aside = [path for path in tmp_path.iterdir() if ".broken-" in path.name]
        assert [path.read_bytes() for path in aside if not path.name.endswith(("-wal", "-shm"))] == [data]
        made.close()
        for path in tmp_path.iterdir():
            path.unlink()


def test_a_locked_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows wait, are told of once, and are written when it is free."""
    monkeypatch.setattr(ledgers, "_LOCKED", 0.01)
    made = Ledger(tmp_path)
    count(made)
    other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with expect_log("llm_proxy.live.access.ledger", "cannot be written") as told:
        for _ in range(3):
            made.add(row())
            made._write_all()
    assert len(told) == 1
    assert made.report()["problem"]
    other.execute("ROLLBACK")
    other.close()
    assert count(made) == 3
    assert made.report() == {"kept": "disk", "lost": 0}
    made.close()


def test_a_full_disk(tmp_path: Path) -> None:
    """Rows wait up to the bound, then they are counted as lost; with room again those that waited are written."""
    made = Ledger(tmp_path)
    made.add(row())
    count(made)
    pages = made.ask(lambda base: base.execute("PRAGMA page_count").fetchone()[0])
    made.ask(lambda base: base.execute(f"PRAGMA max_page_count = {pages + 2}"))
    with expect_log("llm_proxy.live.access.ledger", "cannot be written"):
        for _ in range(ledgers.MOST + 5):
            made.add(row(id="x" * 200))
        opened = made._open

        def full() -> sqlite3.Connection:
            base = opened()
            base.execute(f"PRAGMA max_page_count = {pages + 2}")
            return base

        made._open = full  # type: ignore[method-assign]
        made._write_all()
    assert made.lost == 5
    assert "full" in made.report()["problem"]
    made._open = opened  # type: ignore[method-assign]
    made._base = None
    assert count(made) == ledgers.MOST + 1
    made.close()


_WRITER = """
import sys, time
from pathlib import Path
from llm_proxy.live.access.ledger import Ledger
from tests.llm_proxy.live.access.test_ledger import row
ledger = Ledger(Path(sys.argv[1]))
ledger.start()
number = 0
while True:
    number += 1
    ledger.add(row(id=str(number)))
    print(number, time.time(), flush=True)
    time.sleep(0.002)
"""


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """What is missing was added within the last second; rows and sums agree; the next one goes on."""
    root = Path(__file__).resolve().parents[3]
    before = 0
    for pause in (0.9, 0.35, 0.6):
        command = [sys.executable, "-c", _WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, text=True) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            time.sleep(pause)
            process.kill()
            killed = time.time()
            lines = [first, *process.stdout.read().splitlines()]
        told = [line.split() for line in lines if len(line.split()) == 2]
        due = sum(1 for _, at in told if float(at) < killed - 1.0)
        made = Ledger(tmp_path)
        found = count(made) - before
        assert due <= found <= len(told) + 1
        assert sum(line["requests"] for line in sums(made)) == found + before
        before += found
        made.close()


def test_in_memory(tmp_path: Path) -> None:
    """Without a directory, also shared by several processes."""
    made = Ledger()
    made.add(row())
    assert count(made) == 1
    assert made.report() == {"kept": "memory", "lost": 0}
    made.close()
    one, two = Ledger(tmp_path, lasts=False), Ledger(tmp_path, lasts=False)
    one.add(row())
    assert count(one) == 1
    two.add(row(key="bob"))
    assert count(two) == 2
    assert count(one) == 2
    assert two.kept == "memory"
    one.close()
    two.close()


@pytest.mark.parametrize("form", ["table", "csv", "jsonl"])
def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """What was used, in each form; from a ledger that is being written."""
    monkeypatch.setattr(usage_command, "environment", dict)
    made = Ledger(tmp_path)
    made.add(row(time=time.time(), micro_usd=2_500_000))
    count(made)
    given = {"since": "30d", "by": "key,model", "format": form, "state": str(tmp_path)}
    assert usage_command.usage(given) == 0
    out = capsys.readouterr().out
    made.close()
    if form == "jsonl":
        (line,) = map(json.loads, out.splitlines())
        assert (line["key"], line["model"], line["micro_usd"]) == ("alice", "m", 2_500_000)
    elif form == "csv":
        assert out.splitlines()[0].startswith("key,model,requests")
    else:
        assert "2.50" in out
    for wrong in ({"by": "nonsense"}, {"since": "yesterday"}, {"since": "9999999d"}):
        assert usage_command.usage({**given, **wrong}) == 2
        assert "must be" in capsys.readouterr().err
    assert usage_command.usage({**given, "state": str(tmp_path / "none")}) == 1


def test_a_csv_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Has the same header as one with rows: what reads it finds its columns."""
    made = Ledger(tmp_path)
    count(made)
    given = {"since": "30d", "by": "key,day", "format": "csv", "state": str(tmp_path)}
    assert usage_command.usage(given) == 0
    header = capsys.readouterr().out
    made.add(row(time=time.time()))
    count(made)
    made.close()
    assert usage_command.usage(given) == 0
    assert header.splitlines() == capsys.readouterr().out.splitlines()[:1]
    assert header.startswith("key,day,requests,")
