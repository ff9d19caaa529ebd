"""``llm-proxy top``: what it shows of a running gateway."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.cli.metrics_page import quantile, read_page
from llm_proxy.cli.top_table import Look, table
from tests.support.client import request
from tests.support.program import ROOT, Program

PAGE = """# HELP x y
llm_proxy_requests_total{face="api",model="a",provider="p",code="200"} %d
llm_proxy_requests_total{face="api",model="a",provider="p",code="502"} %d
llm_proxy_requests_total{face="api",model="b\\"\\n\\\\",provider="p",code="200"} 1
llm_proxy_request_seconds_bucket{model="a",provider="p",le="1.0"} %d
llm_proxy_request_seconds_bucket{model="a",provider="p",le="+Inf"} %d
llm_proxy_tokens_total{model="a",provider="p",type="output"} %d
llm_proxy_upstream_in_flight{provider="p",model="a"} 3
llm_proxy_config_generation 7
nonsense
llm_proxy_requests_total{ nan
"""
STATUS: dict[str, Any] = {
    "state": "applied",
    "uptime": 7260,
    "workers": [{}, {}],
    "inside": {
        "own": {"count": 1, "p50": 0.25, "p99": 1500.0},
        "queue": {"count": 0, "p50": None, "p99": None},
    },
}


def look() -> Look:
    """Ten requests, one of them failed, in two seconds."""
    older, newer = read_page(PAGE % (10, 0, 10, 10, 100)), read_page(PAGE % (19, 1, 20, 20, 300))
    return Look(older, newer, STATUS, 2.0, "http://here")


def test_the_table() -> None:
    """Rates and latencies are of the time between two looks; the busiest model stands first; no name moves a cursor."""
    lines = table(look(), 120, 40, colour=False).splitlines()
    rows = {line.split()[0]: line.split() for line in lines if line}

    assert "generation 7  applied  up 2 h 1 min  workers 2" in lines[0]
    assert rows["a"] == ["a", "3", "5.0", "10", "100.0", "950", "ms"]
    assert lines.index(next(line for line in lines if line.startswith("a "))) < lines.index(
        next(line for line in lines if line.startswith('b"'))
    )
    assert rows["p50"][1:] == ["-", "250", "us"]
    assert rows["p99"][1:] == ["-", "1.5", "s"]
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("width", [20, 60, 100, 300])
@pytest.mark.parametrize("height", [5, 10, 50])
def test_it_fits_the_terminal(width: int, height: int) -> None:
    """No line is longer than the terminal is wide."""
    lines = table(look(), width, height, colour=False).splitlines()

    assert max(map(len, lines)) <= width


def test_quantiles() -> None:
    """As Prometheus tells them; None where nothing came."""
    older, newer = (
        [(1.0, 5.0), (2.0, 5.0), (float("inf"), 5.0)],
        [(1.0, 15.0), (2.0, 25.0), (float("inf"), 25.0)],
    )

    assert quantile(older, newer, 0.25) == 0.5
    assert quantile(older, newer, 0.75) == 1.5
    assert quantile(newer, newer, 0.5) is None
    assert quantile([], [], 0.5) is None


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command."""
    command = [sys.executable, "-m", "llm_proxy", "top", "--once", "--interval", "0.1", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


async def test_on_a_running_gateway(tmp_path: Path) -> None:
    """The gateway itself or its port of the metrics; who cannot be asked is one line, and exit status 2."""
    async with Program(tmp_path, {"demo": {"demo": {}}}, metrics_port=0) as program:
        chat = {"model": "demo", "stream": False, "messages": [{"role": "user", "content": "x"}]}
        await request(program.url, "POST", "/chat", chat)
        shown = await asyncio.to_thread(run, "--url", program.url.removesuffix("/api"))
        told = await asyncio.to_thread(run, "--url", program.lines("listening")[0]["metrics_url"])
        status = await program.status()
    nobody = await asyncio.to_thread(run, "--url", program.url)

    assert (shown.returncode, told.returncode, nobody.returncode) == (0, 0, 2)
    assert "\ndemo " in shown.stdout
    assert "SINCE BEGIN" in shown.stdout
    assert "\ndemo " in told.stdout
    assert nobody.stderr.startswith("llm-proxy: no answer: ")
    assert "\x1b" not in shown.stdout
    assert status["inside"]["request"]["count"] == 1
    assert status["inside"]["own"]["p50"] > 0
    assert status["inside"]["queue"] == {"count": 0, "p50": None, "p90": None, "p99": None, "p999": None}
