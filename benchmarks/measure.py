"""What a load costs a process: its CPU time and memory as the kernel counts them; and the load itself.

Laws: CPU time is user and system time of a process and all its children, threads included. It stays steady on a busy
machine, where throughput does not. Memory is the resident set (VmRSS); what the kernel keeps for sockets is not in it.
Bad answers are counted, never passed over.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.building import Missing, compiled
from benchmarks.processes import Target
from benchmarks.questions import Question


@dataclass(frozen=True, slots=True)
class Outcome:
    """One load: ``requests`` in ``seconds``, how many of their answers were ``bad``, CPU seconds of the target (0 for
    the upstream itself), and latencies in seconds, keyed by percentile (p50, p90, p99, max): to the first byte of the
    body, and to its end."""

    requests: int
    bad: int
    seconds: float
    cpu: float
    first: dict[str, float]
    whole: dict[str, float]


def family(pid: int) -> list[int]:
    """``pid`` and all its descendants."""
    found = [pid]
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            children = Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
            for child in children:
                found += family(int(child))
    except OSError:
        pass  # it has ended meanwhile
    return found


def cpu_seconds(pid: int | None) -> float:
    """CPU time so far, in seconds; 0 for None."""
    return sum(map(_clock, family(pid))) if pid is not None else 0.0


def _clock(pid: int) -> float:
    # Fields 14 and 15 of proc_pid_stat(5) hold the same, but in hundredths of a second. A process's CPU clock has this
    # number on Linux: clock_getcpuclockid(3), which Python does not offer; include/linux/posix-timers.h, CPUCLOCK_SCHED.
    return time.clock_gettime(~pid << 3 | 2)


def resident(pid: int | None) -> int:
    """Bytes of memory in use; 0 for None."""
    size = 0
    for member in family(pid) if pid is not None else ():
        for line in Path(f"/proc/{member}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                size += int(line.split()[1]) * 1024
    return size


def load(
    target: Target, asked: Question, connections: int, requests: int, ramp: float = 0.0, rate: int = 0
) -> Outcome:
    """Run a load (see load.c): ``requests`` on each connection, which begin spread over ``ramp`` seconds; at most
    ``rate`` requests a second in all, if it is not 0. Raises ``Missing``."""
    command = _command(target, asked, connections, requests, ramp, rate)
    before = cpu_seconds(target.pid)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    cpu = cpu_seconds(target.pid) - before
    if done.returncode:
        raise Missing(f"the load on {target.name} ended with an error: {done.stderr.strip()}")
    said: dict[str, Any] = json.loads(done.stdout)
    first, whole = ({name: us / 1e6 for name, us in said[key].items()} for key in ("first", "whole"))
    return Outcome(said["requests"], said["errors"], said["seconds"], cpu, first, whole)


@contextmanager
def held(target: Target, asked: Question, connections: int, ramp: float) -> Iterator[Callable[[], int]]:
    """So many streams open, each with its first token, while the block lasts; what it gives tells how many events all of them
    have had so far. Raises ``Missing`` if they could not be opened, or did not stay open."""
    command = _command(target, asked, connections, 0, ramp, 0)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        if process.stdout.readline().strip() == "held":
            ask, answers = process.stdin, process.stdout

            def events() -> int:
                ask.write("?")
                ask.flush()
                return int(answers.readline())

            try:
                yield events
            finally:
                said = process.communicate()[1]
        else:
            said = process.communicate()[1]
    if process.returncode:
        raise Missing(f"{connections} streams through {target.name} could not be held open: {said.strip()}")


def _command(
    target: Target, asked: Question, connections: int, requests: int, ramp: float, rate: int
) -> list[str | Path]:
    numbers = (asked.events, connections, requests, round(ramp * 1000), rate)
    return [compiled("load"), str(target.port), target.path, asked.body, *map(str, numbers)]
