"""What several tests of the benchmark need."""

import shutil

import pytest

from benchmarks.table import DIRECT, GATEWAY, ROUTER, Row

CC = shutil.which("cc") or shutil.which("gcc")
needs_compiler = pytest.mark.skipif(CC is None, reason="there is no C compiler here")


def a_row(key: str = "k", added: bool = False, **values: list[float]) -> Row:
    """A row with these runs of the gateway, the router and the direct call."""
    names = {"gateway": GATEWAY, "router": ROUTER, "direct": DIRECT}
    return Row(key, "a load", "us", added, {names[name]: runs for name, runs in values.items()})


def cells(line: str) -> list[str]:
    """The cells of a line of a Markdown table."""
    return [cell.strip() for cell in line.strip("|").split("|")]
