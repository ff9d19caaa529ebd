"""The measure itself: what grows with the square is found."""

from __future__ import annotations

import pytest

from tests.support.growth import ALLOWED, growth

pytestmark = pytest.mark.one_python(
    "whether the cost grows with the square is the code's, and not the Python's"
)


def test_a_square_is_found() -> None:
    """Names in a list, each looked for in all that were found before it."""

    def collect(names: list[str]) -> list[str]:
        found: list[str] = []
        for name in names:
            if name not in found:
                found.append(name)
        return found

    assert growth(lambda n: [f"k{i}" for i in range(n)], collect, 600, bounded=True) > ALLOWED


def test_proportion_is_none() -> None:
    """The same with a set; few names are different ones, for what the processor's caches hold is not the measure's subject."""

    def collect(names: list[str]) -> set[str]:
        found: set[str] = set()
        for name in names:
            if name not in found:
                found.add(name)
        return found

    assert growth(lambda n: [f"k{i % 100}" for i in range(n)], collect, 100_000) <= ALLOWED
