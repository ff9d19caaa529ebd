"""The real llama.cpp server (the xllamacpp wheel holds it) in a process of its own, with the tiny model.

As a module: ``with server(model) as base`` gives the base URL with ``/v1``. As a script it is that process: it prints
``READY http://...`` and serves until its standard input closes.
"""

from __future__ import annotations

import argparse
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

#: Starting takes a tenth of a second on an idle machine, the slow model two.
START_SECONDS = 60
#: Set in CI: there the suite must run, and a server that cannot start is a failure.
REQUIRED = "LLM_PROXY_REQUIRE_LLAMACPP"


class CannotRun(Exception):
    """The server did not start; the text says why."""


@dataclass(frozen=True, slots=True)
class LlamaCpp:
    """A running server."""

    base: str  # with /v1, as an api_host is written
    pid: int


@contextmanager
def server(
    model: Path,
    *,
    alias: str = "tiny",
    api_key: str = "",
    context: int = 4096,
    parallel: int = 2,
    reasoning: bool = False,
    embedding: bool = False,
    metrics: bool = False,
) -> Iterator[LlamaCpp]:
    """Run a server on a free port; killed at the end. Raises ``CannotRun``."""
    script = [sys.executable, "-m", "tests.support.llamacpp", str(model), "--alias", alias]
    options = ["--context", str(context), "--parallel", str(parallel)]
    wanted = (("--reasoning", reasoning), ("--embedding", embedding), ("--metrics", metrics))
    flags = [name for name, on in wanted if on]
    key = ["--api-key", api_key] if api_key else []
    with subprocess.Popen(
        [*script, *options, *flags, *key],
        cwd=Path(__file__).resolve().parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            assert process.stdout is not None
            yield LlamaCpp(_ready(process.stdout) + "/v1", process.pid)
        finally:
            process.kill()


def _ready(output: IO[bytes]) -> str:
    """The address that the server prints. Raises ``CannotRun`` with what it printed instead."""
    said, end = b"", time.monotonic() + START_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while (left := end - time.monotonic()) > 0 and selector.select(left):
            data = os.read(output.fileno(), 65536)
            said += data
            for line in said.splitlines(keepends=True):
                if line.startswith(b"READY ") and line.endswith(b"\n"):
                    return line.decode().split()[1]
            if not data:
                break
    raise CannotRun(
        f"llama.cpp's server did not start: {said.decode(errors='replace')[-2000:] or 'no output'}"
    )


def main() -> None:
    """Serve until standard input closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--alias", default="tiny")
    parser.add_argument("--api-key")
    parser.add_argument("--context", type=int, default=4096)
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--reasoning", action="store_true")
    parser.add_argument("--embedding", action="store_true")
    parser.add_argument("--metrics", action="store_true")
    given = parser.parse_args()

    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = given.model
    params.model_alias = {given.alias}
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_ctx, params.n_parallel = given.context, given.parallel
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.n_threads_http = 4
    params.use_jinja = True
    params.enable_reasoning = int(given.reasoning)
    params.verbosity = 0
    params.endpoint_metrics = given.metrics
    if given.api_key:
        params.api_keys = [given.api_key]
    if given.embedding:
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    running = xllamacpp.Server(params)
    print("READY", running.listening_address, flush=True)
    # Nobody reads what it prints from now on: a full pipe would block it.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    # The server's own threads do the work, until the tests end in whatever way: then this pipe closes.
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
