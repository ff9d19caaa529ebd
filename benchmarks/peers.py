"""The others: how each is started in front of the same upstream as the gateway.

Laws: each has its own defaults, but for what the load needs: as many requests at once as are sent, and the name of the model. None
asks anything outside of this machine. Who cannot be installed is named, and its column stays empty.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.building import (
    LITELLM_VERSION,
    ROUTER_VERSION,
    SMG_VERSION,
    Missing,
    litellm_program,
    router_program,
    smg_program,
    system_python,
)
from benchmarks.processes import Target, free_port, gateway, running, wait_for
from benchmarks.table import LITELLM, ROUTER, SMG, SYSTEM

#: Where each comes from. A Python is a program too: what it runs is the gateway.
PROGRAMS: Mapping[str, Callable[[], Path]] = {
    ROUTER: router_program,
    SMG: smg_program,
    LITELLM: litellm_program,
    SYSTEM: system_python,
}
#: What share of a load each is given: who takes fifty times as long for a request is measured with fewer of them.
SHARES: Mapping[str, float] = {LITELLM: 0.04}
#: Seconds until it must serve, where that is much.
PATIENCE: Mapping[str, float] = {LITELLM: 180.0}
_CHAT = "/v1/chat/completions"
_LITELLM = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # not fetched
    "LITELLM_TELEMETRY": "False",
    "LITELLM_LOG": "ERROR",
    "DISABLE_ADMIN_UI": "True",
    "NO_DOCS": "True",
    # No keys, as the gateway has none in the same rows.
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
}


def found(wanted: Iterable[str] = PROGRAMS) -> tuple[dict[str, Path], list[str]]:
    """Of those that are wanted the programs that there are, installed if need be, and a sentence for each that cannot be had."""
    programs, remarks = {}, []
    for name in wanted:
        try:
            programs[name] = PROGRAMS[name]()
        except Missing as missing:
            remarks.append(f"{missing}; its column stays empty")
    return programs, remarks


def versions(programs: Mapping[str, Path]) -> str:
    """Who stands beside us, in one line."""
    known = {ROUTER: ROUTER_VERSION, SMG: SMG_VERSION, LITELLM: LITELLM_VERSION}
    told = [f"{name} {known[name]}" for name in programs if name in known]
    if SYSTEM in programs:
        done = subprocess.run([programs[SYSTEM], "--version"], capture_output=True, text=True, check=False)
        told.append(f"Debian's own {done.stdout.strip()}, built with profile-guided optimisation")
    return "beside it: " + (", ".join(told) or "nobody")


@contextmanager
def peer(name: str, place: Path, program: Path, kind: str, upstream_port: int) -> Iterator[Target]:
    """It in front of one upstream of that kind. Raises ``Missing`` if it does not begin to serve."""
    share = SHARES.get(name, 1.0)
    if name == SYSTEM:
        with gateway(place, {kind: upstream_port}, python=program) as target:
            yield Target(SYSTEM, target.port, target.path, target.pid)
        return
    port, log = free_port(), place / f"{name}.log"
    command, more, health = command_of(name, place, program, port, kind, upstream_port)
    with running(command, log, more) as pid:
        wait_for(f"http://127.0.0.1:{port}{health}", log, PATIENCE.get(name, 60.0))
        yield Target(name, port, _CHAT, pid, share)


def command_of(
    name: str, place: Path, program: Path, port: int, kind: str, upstream_port: int
) -> tuple[list[str | Path], dict[str, str], str]:
    """How it is started, what its environment has more, and the path where it says that it serves."""
    url = f"http://127.0.0.1:{upstream_port}"
    if name == LITELLM:
        config = place / f"litellm-{port}.json"  # JSON is YAML
        row = {"model": f"openai/{kind}", "api_base": f"{url}/v1", "api_key": "none"}
        config.write_text(json.dumps({"model_list": [{"model_name": kind, "litellm_params": row}]}))
        command: list[str | Path] = [program, "--config", config, "--host", "127.0.0.1", "--port", str(port)]
        return command, _LITELLM, "/health/liveliness"
    return router_command(program, port, [url], kind, "round_robin"), {}, "/health"


def router_command(program: Path, port: int, urls: list[str], model: str, policy: str) -> list[str | Path]:
    """How vllm-router and smg are started: they take the same flags, since one was made of the other."""
    options: dict[str, str | int] = {
        "--host": "127.0.0.1",
        "--port": port,
        "--policy": policy,
        "--prometheus-port": free_port(),
        "--max-concurrent-requests": 20_000,
    }
    if program.name == SMG:  # it calls a model so of which its servers say nothing
        options["--model-alias"] = f"{model}=unknown"
    flat = [str(part) for option in options.items() for part in option]
    return [program, *(["launch"] if program.name == SMG else []), *flat, "--worker-urls", *urls]
