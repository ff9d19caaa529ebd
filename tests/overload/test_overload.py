"""The attacks in short; ``make overload`` is the long one, with the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.overload.attacks import ATTACKS
from tests.overload.run import run

pytestmark = pytest.mark.one_python("each attack by itself is judged by tests/faults on each Python")

#: One of each kind of harm.
SHORT = (
    "wrong items, 60 KB",
    "unknown names, 49 KB",
    "long path",
    "pipeline",
    "pipeline, unread",
    "tiny chunks",
)


async def test_one_client_costs_the_others_nothing(tmp_path: Path) -> None:
    """Beside each attacker every honest request is served, memory grows with the bytes sent and comes back, answers and log
    are no larger than a few times the requests."""
    found = await run(tmp_path, SHORT, 1.0, rest=0.2)
    assert [text for figures in found for text in figures.problems()] == []


def test_attacks_are_what_they_say() -> None:
    """Each makes its bytes."""
    assert all(attack.data() for attack in ATTACKS.values())
