"""What is wrong, in words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from llm_proxy.console.health import Wrong, of_requests, of_state, of_upstreams
from llm_proxy.console.history import empty
from llm_proxy.wire.calls import Deployment


def said(wrong: Wrong) -> str:
    """As one text."""
    return "".join(one if isinstance(one, str) else one["text"] for one in wrong.words)


def upstream(name: str, **standing: Any) -> tuple[Deployment, dict[str, Any]]:
    """One, and how it stands."""
    row = cast(Deployment, SimpleNamespace(name=name, provider="gpu"))
    return row, {"state": "ejected", "reason": None, "until": None, **standing}


def test_of_the_files_and_the_database() -> None:
    """A rejected edit stops nothing but edits, and is bad all the same."""
    assert list(of_state("applied", False, 0)) == []
    assert [(one.kind, said(one)) for one in of_state("rejected", True, 1)] == [
        ("bad", "The last edit was rejected. What is wrong with it"),
        ("warn", "The files could not be read at the start: the last good copy serves."),
        ("warn", "1 row of usage could not be written. Is the disk full?"),
    ]


def test_of_upstreams() -> None:
    """Name, state, reason, and when it ends; what leads to it survives any name; not too many."""
    found = of_upstreams(
        [
            upstream("a/b?c", reason="5 failures", until=1100.0),
            upstream("m", state="asleep", until=1600.0),
            upstream("n", state="full", until=900.0),
        ],
        1000.0,
    )

    assert [(one.kind, said(one)) for one in found] == [
        ("bad", "a/b?c at gpu is ejected: 5 failures; it ends in 100 s"),
        ("warn", "m at gpu is asleep; it ends in 10 min"),
        ("warn", "n at gpu is full"),
    ]
    assert found[0].words[0] == {"text": "a/b?c", "href": "#/models?search=a%2Fb%3Fc"}
    assert len(of_upstreams((upstream(f"m{n}") for n in range(1000)), 0.0)) == 20


def test_of_requests() -> None:
    """Some errors among many requests are no news."""
    few, many = empty(0) | {"requests": 100, "errors": 4}, empty(5) | {"requests": 10, "errors": 6}

    assert list(of_requests([])) == list(of_requests([few])) == []
    assert [said(one) for one in of_requests([few, many])] == [
        "9 % of the requests of the last minute failed. Which"
    ]
