"""What fuzzing begins with, and what it has found, in each run of the suite."""

from __future__ import annotations

import pytest

from tests.fuzz.seeds import FOUND, seeds
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_raises(name: str) -> None:
    """Seeds and former faults: only what is documented is raised, and however bytes are cut, they mean the same."""
    for data in seeds(name):
        TARGETS[name](data)


def test_every_find_has_a_target() -> None:
    """No file lies where nobody tries it."""
    assert {path.name for path in FOUND.iterdir() if path.is_dir()} <= set(TARGETS)
