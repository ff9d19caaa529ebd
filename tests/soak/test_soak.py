"""The soak in short; ``make soak`` is the long one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.soak.run import Soak


def test_mixed_load_with_faults(tmp_path: Path) -> None:
    """Streams, whole answers, aborts, slow readers, faulty upstreams and edits at once: every answer is exact or broken
    where it must be, every request has its line, nothing unexplained is logged, and all is given back."""
    soak = Soak(tmp_path, seconds=7, clients=12, seed=20261123, growth=0.5, attack=False)
    asyncio.run(soak.run())

    assert soak.failures == []
    assert len(soak.asked) >= 9, soak.report()
