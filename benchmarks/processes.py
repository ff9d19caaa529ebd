"""What a benchmark starts: the two C programs, and the gateway as shipped. How others are started: ``peers``.

Laws: everything listens on free ports of the loopback interface, writes into one directory, and is ended by its process
id, also after a failure. The gateway runs from this checkout with its defaults: one process, validation on, a JSON log
line for each request, to standard error, which is a file here. Two limits are raised, because 5,000 open streams to one
upstream are more than a default allows.
"""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.building import ROOT, Missing, compiled


@dataclass(frozen=True, slots=True)
class Kind:
    """A way in which the upstream answers: tokens of one stream, microseconds between them, and the bytes of an answer that is not
    streamed (0: some 700)."""

    tokens: int
    gap: int
    answer: int = 0

    @property
    def events(self) -> int:
        """What a client sees of one stream, as events: the tokens, the finish reason, ``[DONE]``."""
        return self.tokens + 2


UPSTREAMS: Mapping[str, Kind] = {
    "fast": Kind(64, 0),
    "paced": Kind(100, 20_000),
    "idle": Kind(1, 3_600_000_000),
    "kilobyte": Kind(64, 0, 1024),
}
#: A line of the log that is an error, or that is no line of the log.
_COMPLAINT = re.compile(rb'"level": ?"(ERROR|CRITICAL)"|^Traceback')


@dataclass(frozen=True, slots=True)
class Target:
    """Something to send requests to. ``pid`` is None for the upstream itself: what it costs is not asked. ``share``: of the load that
    others are given, where it is so slow that nobody would wait for all of it."""

    name: str
    port: int
    path: str
    pid: int | None
    share: float = 1.0


def more_descriptors(wanted: int = 20_000) -> int:
    """Raise the limit on open descriptors as far as allowed, for us and what we start; the limit then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment() -> dict[str, str]:
    """Ours without what would configure the gateway, send what goes to this machine through a proxy, or make Python
    compile at each start what an installation holds compiled."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LLM_PROXY_API_")
        and not name.lower().endswith("_proxy")
        and name != "PYTHONDONTWRITEBYTECODE"
    }


@contextmanager
def running(
    command: list[str | Path], log: Path, env: Mapping[str, str] | None = None, root: Path = ROOT
) -> Iterator[int]:
    """A process in the directory ``root`` while the block lasts; gives its pid. Its output goes to ``log``."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=root, env={**_environment(), **(env or {})}, stdout=output, stderr=output
        )
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(url: str, log: Path, seconds: float = 60.0) -> None:
    """Return at the first answer 200 from ``url``. Raises ``Missing`` with the log when there is none in time."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with opener.open(url, timeout=5):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.002)
    raise Missing(f"no answer from {url}:\n{log.read_text('utf-8', 'replace')[-2000:]}")


@contextmanager
def upstream(kind: str | Kind, place: Path) -> Iterator[int]:
    """An upstream of that kind (see ``UPSTREAMS``); gives its port."""
    how = UPSTREAMS[kind] if isinstance(kind, str) else kind
    port, log = free_port(), place / "upstream.log"
    numbers = (port, how.tokens, how.gap, 0, how.answer)
    with running([compiled("upstream"), *map(str, numbers)], log):
        wait_for(f"http://127.0.0.1:{port}/", log)
        yield port


def gateway_command(
    place: Path, port: int, upstreams: Mapping[str, int], python: Path | None = None
) -> tuple[list[str | Path], dict[str, str]]:
    """How the gateway is started, with two models for each upstream: ``fast`` and ``fast-ollama``, and so on; by ``python``, or the
    one that runs this."""
    rows: dict[str, dict[str, dict[str, str]]] = {"bench": {}, "bench-ollama": {}}
    for kind, at in upstreams.items():
        host = f"http://127.0.0.1:{at}"
        rows["bench"][kind] = {"api_type": "openai", "api_host": host + "/v1"}
        rows["bench-ollama"][f"{kind}-ollama"] = {"api_type": "ollama", "api_host": host}
    # Not beside the log, which would be one change after the other in a directory that is watched.
    folder = place / "config"
    folder.mkdir(exist_ok=True)
    config = folder / "models-config.json"
    config.write_text(json.dumps(rows))
    prefix = "LLM_PROXY_API_"
    env = {
        "MINIMUM": "1",
        "PORT": str(port),
        "MODELS_CONFIG": str(config),
        "UPSTREAM_CONNECTIONS": "10000",
        "MAX_CONNECTIONS": "20000",
    }
    command: list[str | Path] = [python or sys.executable, "-m", "llm_proxy.rest_api"]
    return command, {prefix + name: value for name, value in env.items()}


@contextmanager
def gateway(
    place: Path,
    upstreams: Mapping[str, int],
    more: Mapping[str, str] | None = None,
    python: Path | None = None,
    root: Path = ROOT,
) -> Iterator[Target]:
    """The gateway in front of those upstreams, asked in OpenAI's dialect; ``more`` of its environment; from the checkout in ``root``."""
    port, log = free_port(), gateway_log(place)
    command, env = gateway_command(place, port, upstreams, python)
    with running(command, log, {**env, **(more or {})}, root) as pid:
        wait_for(f"http://127.0.0.1:{port}/api/ping", log)
        yield Target("gateway", port, "/v1/chat/completions", pid)


def gateway_log(place: Path) -> Path:
    """Where the gateway's lines go."""
    return place / "gateway.log"


def errors_logged(place: Path) -> list[str]:
    """The lines in which the gateway told of an error; what it has written is then forgotten."""
    log = gateway_log(place)
    found = []
    if log.exists():
        with log.open("rb") as lines:
            found = [line.decode("utf-8", "replace") for line in lines if _COMPLAINT.search(line)]
        os.truncate(log, 0)  # whoever writes it appends, and a million lines are half a gigabyte
    return found
