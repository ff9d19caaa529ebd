"""What would become of a request: as ``pick`` says, for the model or what stands in for it, and nothing is changed by looking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_proxy.live.config.catalog import Catalog
from llm_proxy.routing.able import Able, Needs
from llm_proxy.routing.outcomes import Outcome
from llm_proxy.routing.outlook import Asked, Outlook, outlook
from llm_proxy.routing.states import States
from providers.common.about import About
from tests.support.config_kit import load

HOSTS = {name: {"api_type": "openai", "api_host": f"http://{name}.example/v1"} for name in ("a", "b", "c")}
FAILED = Outcome(hide=True, condition="unavailable", failure=True)


def catalog(names: Mapping[str, Any], **rows: Any) -> Catalog:
    """Providers with these models."""
    config = load(
        {"$models": names, **{name: {"defaults": HOSTS[name], **value} for name, value in rows.items()}}
    )
    return Catalog.of(config.deployments, config.names)


def look(found: Catalog, name: str, states: States | None = None, **asked: Any) -> Outlook:
    resolved = found.resolve(name)
    assert resolved is not None
    states = States() if states is None else states
    return outlook(resolved, Asked(**asked), found.resolve, states, 100.0, lambda: 0.0)


def told(found: Outlook) -> dict[str, tuple[bool, str]]:
    return {row.provider: (row.chosen, row.why) for row in found.candidates}


def test_tiers_and_weights() -> None:
    """The lowest tier takes it; who could have, and did not, hears why."""
    found = look(catalog({}, a={"m": {}}, b={"m": {}}, c={"m": {"order": 1}}), "m")

    assert told(found) == {
        "a": (True, "by weight"),
        "b": (False, "not drawn"),
        "c": (False, "of a higher tier"),
    }


def test_fallbacks_are_looked_at_in_order() -> None:
    """The first of them that somebody can take it for; each model once, whatever names whom."""
    names = {"m": {"fallbacks": ["n", "o"]}, "*": {"fallbacks": ["m", "n", "o"], "queue": None}}
    found = catalog(names, a={"m": {"weight": 0}}, b={"n": {"weight": 0}}, c={"o": {}})
    assert look(found, "m").resolved.name == "o"
    nobody = look(
        catalog({"*": {"fallbacks": ["m", "n"]}}, a={"m": {"weight": 0}}, b={"n": {"weight": 0}}), "m"
    )
    assert (nobody.resolved.name, nobody.chosen, nobody.waits) == ("m", None, False)
    assert told(nobody) == {"a": (False, "weight 0")}


def test_who_cannot_take_it() -> None:
    """Left out with a reason; if nobody can, the error is known, and a fallback that may."""
    able = Able(Needs(tokens=50), lambda row: About(context=10 if row.provider == "a" else None))
    both = catalog({}, a={"m": {}}, b={"m": {}})
    assert told(look(both, "m", able=able)) == {
        "a": (False, "the request is too long for it"),
        "b": (True, "the only one"),
    }
    alone = look(catalog({}, a={"m": {}}), "m", able=able)
    assert alone.error is not None
    assert alone.error.code == "context_length_exceeded"
    names = {"m": {"fallbacks": [{"model": "n", "on": ["context_length"]}]}}
    assert look(catalog(names, a={"m": {}}, b={"n": {}}), "m", able=able).resolved.name == "n"


def test_looking_changes_nothing() -> None:
    """After a thousand looks the states are what they were, and a sick upstream is no less sick."""
    found, states = catalog({}, a={"m": {}}, b={"m": {}}), States()
    resolved = found.resolve("m")
    assert resolved is not None
    for _ in range(5):
        running = states.begin(resolved.deployments[0], 99.0)
        assert running is not None
        running.ended(99.5, FAILED)
    for _ in range(1000):
        seen = look(found, "m", states)
        assert told(seen)["a"][0] is False
        assert told(seen)["b"][0] is True
    assert seen.candidates[0].state == "ejected"
    assert all(state.in_flight == 0 for state in states._upstreams.values())


def test_asleep_for_a_rate_limit() -> None:
    """A fallback for rate limits goes before waiting; without one the request waits."""
    limited = Outcome(hide=True, same=True, condition="rate_limit", sleep=20.0, limited=True, answered=True)
    for names, served, waits in (
        ({"m": {"fallbacks": ["n"]}}, "n", False),
        ({"m": {"fallbacks": [{"model": "n", "on": ["unavailable"]}]}}, "m", True),
        ({}, "m", True),
    ):
        found, states = catalog(names, a={"m": {}}, b={"n": {}}), States()
        resolved = found.resolve("m")
        assert resolved is not None
        running = states.begin(resolved.deployments[0], 99.0)
        assert running is not None
        running.ended(99.5, limited)
        seen = look(found, "m", states)
        assert (seen.resolved.name, seen.waits) == (served, waits)
