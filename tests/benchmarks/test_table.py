"""The table reckons rightly, and the codecs beside it handle what they say."""

from pathlib import Path

import pytest

from benchmarks import codecs, table
from benchmarks.loads import Bench
from benchmarks.table import DIRECT, GATEWAY, ROUTER, Row
from tests.benchmarks.kit import a_row, cells

pytestmark = pytest.mark.one_python("the benchmark is run by one Python, and is no part of the product")


def test_figures() -> None:
    """Medians with their spread, the ratio to the router, the direct call, and bad answers by target."""
    row = a_row(gateway=[3.0, 100.0, 1000.0], router=[50.0], direct=[1.0, 2.0])
    row.add(ROUTER, 50.0, bad=2)
    head, rule, line = table.figures([row]).splitlines()

    assert ["load", "unit", "gateway", "vllm-router", "direct", "gateway : router", "bad answers"] == cells(
        head
    )
    assert {"-", "|", " "} == set(rule)
    assert [
        "a load",
        "us",
        "100 (3.00 to 1,000)",
        "50.0 (50.0 to 50.0)",
        "1.50",
        "2.00",
        "vllm-router 2",
    ] == cells(line)


def test_added_figures() -> None:
    """What is added is the median of the differences of each run; the direct call shows its own time."""
    row = a_row(added=True, gateway=[5.0, 9.0, 4.0], direct=[1.0, 1.0, 3.0])

    assert [4.0, 8.0, 1.0] == row.runs(GATEWAY)
    assert (4.0, 1.0, None) == (row.get(GATEWAY), row.get(DIRECT), row.get(ROUTER))
    assert ["4.00 (1.00 to 8.00)", "", "1.00", "", "0"] == cells(table.figures([row]).splitlines()[-1])[2:]


def verdict(name: str, *rows: Row) -> list[str]:
    (line,) = [g.line({row.key: row for row in rows}) for g in table.GOALS if g.name.startswith(name)]
    return line[3:]


def test_verdicts() -> None:
    """A target is reached up to its very value; what was not measured, or only in part, has no verdict."""
    assert ["1.50 x vllm-router", "yes", "yes"] == verdict(
        "CPU of a request that", a_row("answer.cpu", gateway=[150.0], router=[100.0])
    )
    assert ["2.00 x vllm-router", "yes", "no"] == verdict(
        "CPU of a request that", a_row("answer.cpu", gateway=[200.0], router=[100.0])
    )
    assert ["not measured", "", ""] == verdict("CPU of a request that", a_row("answer.cpu", gateway=[250.0]))
    assert ["1.50 x OpenAI dialect", "no", ""] == verdict(
        "CPU of a token, Ollama", a_row("ollama.cpu", gateway=[30.0]), a_row("token.cpu", gateway=[20.0])
    )
    assert ["2.31 s", "no", ""] == verdict("1,000 paced", a_row("pace.1000", gateway=[2.31]))
    assert ["not measured", "", ""] == verdict("memory", a_row("memory.1000", gateway=[2.0]))
    assert ["50.0 KiB", "no", ""] == verdict(
        "memory", a_row("memory.1000", gateway=[2.0]), a_row("memory.5000", gateway=[50.0])
    )
    assert ["not measured", "", ""] == verdict("growth", a_row("flat.less", gateway=[1.0]))
    failed = [a_row(key, gateway=[0.0]) for key in table.FAILED]
    assert ["0.000 %", "yes", ""] == verdict("failed requests", *failed)
    assert ["not measured", "", ""] == verdict("failed requests", *failed[1:])


@pytest.mark.parametrize("name", codecs.CASES)
def test_codecs_handle_every_token(name: str) -> None:
    """Each codec is measured with as many tokens as it says."""
    assert codecs.TOKENS == codecs.CASES[name]()


def test_codec_rows(tmp_path: Path) -> None:
    """Each codec has a figure, and it is a time."""
    rows = codecs.codecs(Bench(tmp_path, runs=2, scale=0.05))

    assert list(codecs.CASES) == [row.name for row in rows]
    assert all(min(row.runs(GATEWAY)) > 0 for row in rows)
