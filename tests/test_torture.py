"""The torture test in short; ``make torture`` is the long one."""

from __future__ import annotations

from tests.torture import torture


def test_edits_under_streams() -> None:
    """A hundred edits of all kinds under fifty streams in two workers: no request fails, the last state wins."""
    made = torture(edits=100, streams=50, workers=2, seed=20261123)

    assert made.failures == []
    assert made.answered > 100
    assert len(made.generations) > 3
