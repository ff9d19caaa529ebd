"""Numbers that mean the same content in every process."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from llm_proxy.live.state import generations
from llm_proxy.live.state.generations import Generations
from llm_proxy.live.state.registry import Registry
from llm_proxy.live.state.snapshot import load_snapshot
from tests.support.world import QUICK, World, document, replace

ROOT = Path(__file__).resolve().parent.parent.parent.parent.parent


def named(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


A, B, C = map(named, "ABC")


def test_each_change_counts() -> None:
    """Also a change back."""
    page = Generations()

    assert [page.number(A, 0), page.number(B, 1), page.number(A, 2)] == [1, 2, 3]
    page.close()


def test_others_find_the_number() -> None:
    """A second worker takes the numbers of the first, also if it has missed one, or begins late."""
    page = Generations()
    assert [page.number(A, 0), page.number(B, 1), page.number(C, 2)] == [1, 2, 3]

    assert [page.number(A, 0), page.number(B, 1), page.number(C, 2)] == [1, 2, 3]
    assert page.number(C, 1) == 3
    assert page.number(C, 0) == 3
    page.close()


def test_who_saw_no_change_is_told() -> None:
    """A content that went and came back has a new number for everybody; asking makes none."""
    page = Generations()
    assert [page.number(A, 0), page.number(B, 1), page.number(A, 2)] == [1, 2, 3]

    assert (page.newer(A, 1), page.newer(A, 3), page.newer(B, 2)) == (3, 3, 2)
    assert page.number(C, 3) == 4
    page.close()


def test_a_number_is_never_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even after more changes than are remembered."""
    monkeypatch.setattr(generations, "SLOTS", 4)
    page = Generations()
    numbers = [page.number(named(str(change)), change) for change in range(20)]

    assert numbers == list(range(1, 21))
    assert page.number(named("3"), 2) == 21
    page.close()


def test_a_process_that_counted_for_itself() -> None:
    """Its numbers are behind it: the page goes on from there."""
    page = Generations()

    assert page.number(A, 7) == 8
    page.close()


_FORKS = """
import hashlib, os, random, sys
from llm_proxy.live.state.generations import Generations

page = Generations()
names = [hashlib.sha256(str(number % 7).encode()).hexdigest() for number in range(300)]
children = []
for child in range(4):
    read, write = os.pipe()
    if os.fork() == 0:
        dice, number, told, position = random.Random(child), 0, [], -1
        while position < len(names) - 1:
            position = min(len(names) - 1, position + dice.choice((1, 1, 1, 2)))
            number = page.number(names[position], number)
            told.append(f"{number} {names[position]}")
        os.write(write, "\\n".join(told).encode())
        os._exit(0)
    os.close(write)
    children.append(os.fdopen(read))
print("\\n".join(child.read() for child in children))
"""


def test_many_processes() -> None:
    """Four processes that run through the same changes, each at its pace, never give one number to two contents."""
    done = subprocess.run(
        [sys.executable, "-c", _FORKS], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    pairs = {tuple(line.split()) for line in done.stdout.splitlines()}

    assert done.stderr == ""
    assert len(pairs) >= 300
    assert len({number for number, _ in pairs}) == len(pairs)


_KILLED = """
import os, signal
from llm_proxy.live.state.generations import Generations

page = Generations()
if os.fork() == 0:
    with page._alone():
        os.kill(os.getpid(), signal.SIGKILL)
os.wait()
print(page.number("0" * 64, 0))
"""


def test_a_worker_that_is_killed_leaves_no_lock() -> None:
    """The system lets go of it."""
    done = subprocess.run(
        [sys.executable, "-c", _KILLED], cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    assert done.stdout == "1\n", done.stderr


async def test_two_registries(tmp_path: Path) -> None:
    """As two workers would: through edits and back, seen by both or by one only, they agree in the end."""
    page = Generations()
    world = World(tmp_path)
    first, second = (
        Registry(world.sources, load_snapshot(world.sources, generations=page), generations=page)
        for _ in range(2)
    )
    first.debounce = second.debounce = QUICK
    for weight in (2, 1):
        replace(world.config, document(weight))
        await first.reload("test")
    missed = second.current.generation
    swaps: list[object] = []
    second.on_swap.append(swaps.append)
    await second.reload("test")
    caught_up = second.current.generation
    replace(world.config, document(5))
    await second.reload("test")
    await first.reload("test")
    first.close()
    second.close()
    page.close()

    assert (missed, caught_up) == (1, 3)
    assert len(swaps) == 1  # being counted anew is no change of content
    assert first.current.version == second.current.version
    assert first.current.generation == 4
