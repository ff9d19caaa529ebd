"""What upstreams turned out not to have."""

from __future__ import annotations

from dataclasses import replace

from llm_proxy.routing.lacking import Lacking
from llm_proxy.wire.calls import Deployment

UP = Deployment("p", "m", "openai", "http://up.test/v1", "up")


def test_it_is_forgotten_after_a_while() -> None:
    """A newer server may have it; another model, path or upstream is another matter."""
    now = [0.0]
    lacking = Lacking(lambda: now[0])
    lacking.note(UP, "/a")

    others = [replace(UP, model="x"), replace(UP, api_host="http://other.test/v1")]
    assert lacking.has(UP, "/a")
    assert lacking.has(replace(UP, name="alias"), "/a")
    assert not lacking.has(UP, "/b")
    assert not any(lacking.has(other, "/a") for other in others)
    now[0] = 600.0
    assert not lacking.has(UP, "/a")


def test_it_is_bounded() -> None:
    """The oldest are forgotten first."""
    lacking = Lacking(lambda: 0.0)
    rows = [replace(UP, model=str(number)) for number in range(1002)]
    for row in rows:
        lacking.note(row, "/a")
        lacking.note(rows[1], "/a")

    assert [lacking.has(row, "/a") for row in rows[:4]] == [False, True, False, True]
