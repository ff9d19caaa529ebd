"""What the worker processes of one machine know of upstreams together."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from llm_proxy.errors import RateLimited, UpstreamAuth, UpstreamError
from llm_proxy.routing.outcomes import judge
from llm_proxy.routing.pick import Choice, Wait, pick
from llm_proxy.routing.sharing import SharedStates
from llm_proxy.routing.standing import standing
from llm_proxy.routing.states import Running, States
from llm_proxy.wire.calls import Deployment

ROW = Deployment("p", "m", "openai", "http://h.test/v1", "m")
FAILED = judge(UpstreamError("m", kind="5xx"))


@pytest.fixture
def shared() -> Iterator[SharedStates]:
    """A small table for two workers."""
    table = SharedStates(2, groups=4)
    yield table
    table.close()


@pytest.fixture
def both(shared: SharedStates) -> list[States]:
    """The states of the two workers, in one process."""
    made = []
    for row in range(2):
        mine = copy.copy(shared)
        mine.join(row)
        made.append(States(mine))
    return made


def begun(states: States, row: Deployment, now: float, probe: bool = False) -> Running:
    running = states.begin(row, now, probe=probe)
    assert running is not None
    return running


def test_all_know_who_is_ejected_asleep_or_refuses_our_key(both: list[States]) -> None:
    """What one has found out, the others need not."""
    one, other = both
    sick, sleepy, locked = (replace(ROW, api_host=f"http://{name}.test") for name in "abc")
    limited = RateLimited("m")
    limited.wait = 9.0
    for row in (sick, sleepy, locked):
        assert standing(row, other.of(row, 100.0), 100.0).state == "ok"
    for number in range(5):  # their failures count together
        begun((one, other)[number % 2], sick, 100.0 + number).ended(100.0 + number, FAILED)
    begun(one, sleepy, 104.0).ended(104.0, judge(limited))
    begun(one, locked, 104.0).ended(104.0, judge(UpstreamAuth("m")))

    for states in (one, other):
        told = [standing(row, states.of(row, 105.0), 105.0) for row in (sick, sleepy, locked)]
        assert [(each.state, each.until) for each in told] == [
            ("ejected", 114.0),
            ("asleep", 113.0),
            ("ejected", 164.0),
        ]
        assert told[2].refused


def test_one_probe_for_all_and_its_success_is_known(both: list[States]) -> None:
    """Two workers do not try at once."""
    one, other = both
    for number in range(5):
        begun(one, ROW, 100.0 + number).ended(100.0 + number, FAILED)
    probe = begun(one, ROW, 115.0, probe=True)

    stale = other.of(ROW, 115.0)
    stale.health.probe_at = 0.0  # it has looked just before
    assert other.begin(ROW, 115.0, probe=True) is None
    found = pick([ROW], other, now=115.0, chance=lambda: 0.1, last_resort=True)
    assert isinstance(found, Choice)
    assert (found.ejected, found.probe) == (True, False)  # for want of others, and it may begin
    begun(other, ROW, 115.0).left(115.0)
    assert standing(ROW, other.of(ROW, 116.0), 116.0).why == "it is being tried"
    assert probe.ended(117.0) == "returned"
    assert standing(ROW, other.of(ROW, 118.0), 118.0).state == "ok"


def test_in_flight_is_what_all_have(shared: SharedStates, both: list[States]) -> None:
    """The less busy one of two is found, whoever keeps it busy; a dead worker's share is taken back."""
    one, other = both
    rows = [ROW, replace(ROW, api_host="http://h2.test/v1", provider="q")]
    for _ in range(5):
        begun(one, ROW, 100.0)

    found = [pick(rows, other, now=101.0, chance=lambda: 0.1) for _ in range(3)]
    assert all(isinstance(each, Choice) and each.deployment.provider == "q" for each in found)
    assert other.of(ROW, 101.0).others == 5
    shared.clear(0)
    assert other.of(ROW, 102.0).others == 0


def test_a_limit_is_exact(both: list[States]) -> None:
    """The third of two in flight waits, in whatever worker it came, and looks again soon."""
    one, other = both
    row = replace(ROW, max_concurrent=2)
    first, _ = begun(one, row, 100.0), begun(other, row, 100.0)

    assert one.begin(row, 100.0) is None
    waits = pick([row], one, now=101.0, chance=lambda: 0.1)
    assert isinstance(waits, Wait)
    assert 101.0 < waits.until < 101.2
    first.left(101.0)
    begun(other, row, 101.0)


def test_a_full_table_is_no_failure(shared: SharedStates, both: list[States]) -> None:
    """More upstreams than it has room for: then a worker knows for itself; what nobody uses is given away."""
    one, other = both
    flying = []
    for number in range(100):
        row = replace(ROW, model=str(number))
        flying.append(begun(one, row, 100.0))
    for running in flying:
        running.ended(101.0)
    newest = replace(ROW, model="new")
    begun(one, newest, 200.0)

    assert len(shared.numbers) == 8 * 4 * shared.stride + 2
    assert other.of(newest, 201.0).others == 1


SCRIPT = """
import os, random, time
from llm_proxy.routing.sharing import SharedStates
from llm_proxy.routing.states import States
from llm_proxy.wire.calls import Deployment
row = Deployment("p", "m", "openai", "http://h.test/v1", "m", max_concurrent=3)
shared = SharedStates(4)
def work(number):
    shared.join(number)
    states, most, got = States(shared), 0, 0
    while got < 300:
        running = states.begin(row, time.monotonic())
        if running is None:
            continue
        got += 1
        most = max(most, sum(shared.numbers[at + k] for at in [states.of(row, 0.0).slot._at] for k in range(13, 17)))
        running.left(time.monotonic())
        if number == 3 and got == 100:
            states.begin(row, time.monotonic())
            os.kill(os.getpid(), 9)
    os._exit(most)
children = [os.fork() or work(number) for number in range(4)]
ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
left = sum(shared.numbers)
shared.clear(3)
print(ends)
states = States(shared)
shared.row = 0
print(states.of(row, time.monotonic()).others + states.of(row, time.monotonic()).in_flight)
"""


def test_processes_that_race_and_die() -> None:
    """Four processes never have more in flight than allowed, and what a killed one had is taken back."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)

    assert done.stderr == ""
    ends, left = done.stdout.splitlines()
    most = [int(end) for end in ends.strip("[]").split(", ")]
    assert all(1 <= each <= 3 for each in most[:3])
    assert most[3] == -9
    assert left == "0"
