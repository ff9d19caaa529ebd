"""The torture test in short; ``make torture`` is the long one."""

from __future__ import annotations

from tests.torture import torture


def test_edits_under_streams() -> None:
    """Seventy edits of all kinds under thirty streams in two workers: no request fails, the last state wins."""
    made = torture(edits=70, streams=30, workers=2, seed=20261123)

    assert made.failures == []
    assert made.answered > 50
    assert len(made.generations) > 1
