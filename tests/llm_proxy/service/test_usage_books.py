"""What several workers keep in memory goes with their service, whichever way that ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_proxy.service import usage_books
from llm_proxy.settings import Settings


def test_what_a_killed_service_has_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the next one that begins; what a running service holds, and what is not ours, stays."""
    held: list[int] = []
    monkeypatch.setattr(usage_books, "_PLACES", (str(tmp_path),))
    monkeypatch.setattr(usage_books, "_held", held)
    (tmp_path / "somebody else's").mkdir()
    (tmp_path / "llm-proxy-usage-just-being-made").mkdir()
    settings = Settings.read({}, {})

    killed, running = (usage_books.memory_of_workers(settings) for _ in range(2))
    assert killed is not None
    assert running is not None
    (killed / "usage.db").touch()
    os.close(held[0])
    newest = usage_books.memory_of_workers(settings)
    for descriptor in held[1:]:
        os.close(descriptor)

    assert newest is not None
    assert not killed.exists()
    assert running.exists()
    assert newest.exists()
    assert len(list(tmp_path.iterdir())) == 4
