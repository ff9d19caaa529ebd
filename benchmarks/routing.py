"""Four upstreams of one model, one of which fails: what clients notice of it, beside vllm-router and smg.

Laws: the same upstreams and the same failure for all, which begins when everything has warmed up and goes on to the end; each has
its own defaults for retries and breakers, and draws two and takes the less busy. A request that fails is a bad answer.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.building import HERE, Missing
from benchmarks.loads import Bench
from benchmarks.measure import Outcome, load
from benchmarks.peers import router_command
from benchmarks.processes import Target, free_port, gateway_log, running, upstream, wait_for
from benchmarks.questions import Question, question
from benchmarks.table import ROUTER, SMG, Row

#: What the fourth upstream does.
FAULTS = {
    "none": "all four are well",
    "error": "one answers 500",
    "busy": "one answers 429 with Retry-After",
    "reset": "one resets the connection",
    "gone": "one is gone",
    "flap": "one fails every other half second",
}


#: How often each is measured at most: ninety programs are started each time.
_RUNS = 2


def routing(bench: Bench) -> list[Row]:
    """For each fault: failed requests, the slowest, and CPU; and what it costs to have several upstreams."""
    rows = [_cost(bench)]
    for fault, words in FAULTS.items():
        failed = Row(f"routing.{fault}.failed", f"{words}: failed requests", "%")
        late = Row(f"routing.{fault}.p99", f"{words}: 99th percentile, 16 connections", "ms")
        cpu = Row(f"routing.{fault}.cpu", f"{words}: CPU of a request", "us")
        for _ in range(min(bench.runs, _RUNS)):
            for target, outcome in _all(bench, fault):
                failed.add(target.name, outcome.bad / outcome.requests * 100, outcome.bad)
                late.add(target.name, outcome.whole["p99"] * 1e3)
                cpu.add(target.name, outcome.cpu / outcome.requests * 1e6)
        rows += [failed, late, cpu]
    return rows


def _cost(bench: Bench) -> Row:
    """CPU of a request for a model with eight upstreams, beyond one for a model with a single one: the same server, with eight
    keys. Measured in turns."""
    row = Row("routing.eight", "CPU of a request with eight upstreams beyond one with a single one", "us")
    with upstream("fast", bench.place) as at:
        host = f"http://127.0.0.1:{at}/v1"
        rows: dict[str, dict[str, dict[str, str]]] = {
            f"gpu-{number}": {
                "eight": {
                    "api_type": "openai",
                    "api_host": host,
                    "api_token": f"key-{number}",
                    "model": "fast",
                }
            }
            for number in range(8)
        }
        rows["gpu-0"]["single"] = {**rows["gpu-0"]["eight"]}
        port, log = free_port(), gateway_log(bench.place)
        command, env = _gateway(bench.place, port, rows)
        with running(command, log, env) as pid:
            wait_for(f"http://127.0.0.1:{port}/api/ping", log)
            target = Target("gateway", port, "/v1/chat/completions", pid)
            asked = {
                name: _named(question(bench.place, "fast", stream=False), name)
                for name in ("single", "eight")
            }
            for each in asked.values():
                load(target, each, 8, bench.times(50))
            for _ in range(bench.runs):
                cpu = dict.fromkeys(asked, 0.0)
                bad = 0
                for _ in range(20):  # short ones, so that whatever else the machine does meets both alike
                    for name, each in asked.items():
                        outcome = load(target, each, 8, bench.times(25))
                        cpu[name] += outcome.cpu / outcome.requests * 1e6 / 20
                        bad += outcome.bad
                row.add(target.name, cpu["eight"] - cpu["single"], bad)
    bench.forget_log()
    return row


def _named(asked: Question, model: str) -> Question:
    """The same question to another model."""
    body = asked.body.with_name(f"{model}.json")
    body.write_text(asked.body.read_text().replace('"fast"', f'"{model}"'))
    return replace(asked, body=body)


def _all(bench: Bench, fault: str) -> Iterator[tuple[Target, Outcome]]:
    """Each target with upstreams of its own, so that none has learned from the others' failures."""
    for name in ("gateway", ROUTER, SMG):
        if name != "gateway" and name not in bench.peers:
            continue
        with (
            _upstreams(bench.place) as (ports, bad),
            _target(bench.place, name, bench.peers.get(name), [*ports, bad]) as target,
        ):
            asked = question(bench.place, "fast", stream=False)
            _answers(target, asked.body)
            load(target, asked, 16, bench.times(10))
            wait_for(f"http://127.0.0.1:{bad}/fault/{fault}", bench.place / "faulty.log")
            yield target, load(target, asked, 16, bench.times(150))
        if name == "gateway":
            bench.forget_log()


@contextmanager
def _upstreams(place: Path) -> Iterator[tuple[list[int], int]]:
    """Three that are well, and one that is told to fail."""
    with ExitStack() as stack:
        well = [stack.enter_context(upstream("fast", place)) for _ in range(3)]
        port, log = free_port(), place / "faulty.log"
        stack.enter_context(running([sys.executable, HERE / "faulty.py", str(port)], log))
        wait_for(f"http://127.0.0.1:{port}/", log)
        yield well, port


@contextmanager
def _target(place: Path, name: str, program: Path | None, ports: list[int]) -> Iterator[Target]:
    """The gateway or a peer in front of those upstreams."""
    port, log = free_port(), place / f"{name}.log"
    urls = [f"http://127.0.0.1:{at}" for at in ports]
    env: dict[str, str] = {}
    if program is None:
        log = gateway_log(place)
        rows = {
            f"gpu-{at}": {"fast": {"api_type": "openai", "api_host": url + "/v1"}}
            for at, url in enumerate(urls)
        }
        command, env, health = *_gateway(place, port, rows), "/api/ping"
    else:
        command, health = router_command(program, port, urls, "fast", "power_of_two"), "/health"
    with running(command, log, env) as pid:
        wait_for(f"http://127.0.0.1:{port}{health}", log)
        yield Target(name, port, "/v1/chat/completions", pid)


def _gateway(
    place: Path, port: int, rows: Mapping[str, Mapping[str, Mapping[str, str]]]
) -> tuple[list[str | Path], dict[str, str]]:
    folder = place / "routing"
    folder.mkdir(exist_ok=True)
    (folder / "models-config.json").write_text(json.dumps(rows))
    env = {"MINIMUM": "1", "PORT": str(port), "MODELS_CONFIG": str(folder / "models-config.json")}
    command: list[str | Path] = [sys.executable, "-m", "llm_proxy.rest_api"]
    return command, {"LLM_PROXY_API_" + name: value for name, value in env.items()}


def _answers(target: Target, body: Path, seconds: float = 30.0) -> None:
    """Return when it answers a request: peers look at their servers first. Raises ``Missing``."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=10)
        try:
            kind = {"Content-Type": "application/json"}
            connection.request("POST", target.path, body.read_bytes(), kind)
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise Missing(f"{target.name} answers no request")
