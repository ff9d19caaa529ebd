"""The board and the alerts, by the real Prometheus that scrapes the running program. Skipped where there is none."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.llm_proxy.service.test_behind_proxies import free_port
from tests.support.client import request
from tests.support.program import ROOT, Program

PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
pytestmark = pytest.mark.skipif(
    PROMETHEUS is None or PROMTOOL is None,
    reason="there is no Prometheus on this machine (Debian: apt-get install prometheus)",
)
DEPLOY = ROOT / "deploy"
BOARD = json.loads((DEPLOY / "grafana" / "llm-proxy.json").read_text())
ASK: dict[str, Any] = {"messages": [{"role": "user", "content": "one two three"}]}


def promtool(*arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run it in the folder of the rules."""
    return subprocess.run(
        [str(PROMTOOL), *arguments],
        cwd=DEPLOY / "prometheus",
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_the_rules_are_sound_and_ring_when_they_should() -> None:
    """``promtool`` accepts them, and its tests of each pass."""
    checked, tried = promtool("check", "rules", "rules.yml"), promtool("test", "rules", "rules.test.yml")

    assert (checked.returncode, tried.returncode) == (0, 0), checked.stderr + tried.stdout + tried.stderr


@asynccontextmanager
async def scraping(folder: Path, target: str) -> AsyncIterator[str]:
    """A Prometheus that scrapes ``target`` five times a second, with our rules; its URL."""
    port = free_port()
    file = folder / "prometheus.yml"
    file.write_text(
        "global: {scrape_interval: 200ms, evaluation_interval: 500ms}\n"
        f"rule_files: ['{DEPLOY / 'prometheus' / 'rules.yml'}']\n"
        f"scrape_configs: [{{job_name: llm-proxy, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            str(PROMETHEUS),
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--enable-feature=exemplar-storage",
            stdin=asyncio.subprocess.DEVNULL,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def asked(url: str, query: str) -> list[Any] | None:
    """What Prometheus answers to a query; None if it does not yet."""
    try:
        got = await request(url, "GET", "/api/v1/query?" + urllib.parse.urlencode({"query": query}))
    except OSError:
        return None
    if got.status != 200:
        assert got.status == 503, (query, got.body)
        return None
    found: list[Any] = got.json()["data"]["result"]
    return found


def queries() -> Iterator[tuple[str, str]]:
    """Each panel's, with what Grafana puts in."""
    for panel in BOARD["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"].replace("$__rate_interval", "3s")
            for name in ("model", "provider", "job"):
                expression = expression.replace(f"${name}", ".*")
            yield panel["title"], expression


@pytest.mark.timeout(seconds=90)
async def test_each_panel_has_data(tmp_path: Path) -> None:
    """After some mixed load every query of the board returns something, every rule is evaluated, exemplars are there, and
    ``promtool`` has nothing against the page."""
    config = {
        "demo": {"demo": {}},
        "dead": {"defaults": {"api_type": "openai", "api_host": "http://127.0.0.1:9"}, "gone": {}},
        "spare": {
            "defaults": {"api_type": "openai", "api_host": "http://127.0.0.1:9"},
            "unused": {"active": False},
        },
    }
    async with Program(tmp_path, config, metrics_port=0, workers=2) as program:
        target = program.lines("listening")[0]["metrics_url"].removeprefix("http://").removesuffix("/metrics")
        origin = program.url.removesuffix("/api")

        async def load() -> None:
            while True:
                await request(program.url, "POST", "/chat", {"model": "demo", **ASK})
                for path, model in (
                    ("/v1/chat/completions", "demo"),
                    ("/v1/messages", "demo"),
                    ("/v1/chat/completions", "gone"),
                ):
                    await request(origin, "POST", path, {"model": model, "max_tokens": 9, **ASK})

        loading = asyncio.create_task(load())
        try:
            async with scraping(tmp_path, target) as url:
                missing = dict.fromkeys(queries())

                async def all_answered() -> bool:
                    for title, expression in list(missing):
                        if await asked(url, expression):
                            del missing[title, expression]
                    return not missing

                for _ in range(300):
                    if await all_answered():
                        break
                    await asyncio.sleep(0.2)
                rules = (await request(url, "GET", "/api/v1/rules")).json()["data"]["groups"][0]["rules"]
                exemplars = await request(
                    url,
                    "GET",
                    "/api/v1/query_exemplars?query=llm_proxy_request_seconds_bucket&start=0&end=9999999999",
                )
        finally:
            loading.cancel()
        page = await request(f"http://{target}", "GET", "/metrics")

    assert list(missing) == []
    assert {rule["health"] for rule in rules} == {"ok"}
    assert exemplars.json()["data"][0]["exemplars"][0]["labels"]["trace_id"]
    judged = promtool("check", "metrics", given=page.body)
    assert (judged.returncode, judged.stderr, judged.stdout) == (0, b"", b"")


def test_the_board_is_whole() -> None:
    """Five rows, a panel at no other's place, and no metric that the program does not have."""
    from llm_proxy.telemetry.metrics.families import FAMILIES

    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in BOARD["panels"]]
    text = " ".join(expression for _, expression in queries())
    names = {family.name for family in FAMILIES}
    used = {
        word
        for word in text.replace("{", " ").replace("(", " ").replace("[", " ").split()
        if word.startswith(("llm_proxy_", "process_"))
    }

    assert [panel["title"] for panel in BOARD["panels"] if panel["type"] == "row"] == [
        "Traffic",
        "Latency",
        "Tokens and money",
        "Saturation",
        "Configuration",
    ]
    assert len(set(places)) == len(places)
    assert {word.rstrip(")").removesuffix("_total").removesuffix("_bucket") for word in used} <= names
