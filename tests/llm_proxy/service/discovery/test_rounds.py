"""What is known of the ports after each round of questions."""

from __future__ import annotations

from llm_proxy.service.discovery import kinds
from llm_proxy.service.discovery.fingerprints import AtPort
from llm_proxy.service.discovery.rounds import KEPT, Known, after, due, providers

FOUND = AtPort(11434, "found", kinds.OLLAMA, ("a", "b"))
GONE = AtPort(11434, "nothing")


def rounds(*seen: AtPort, known: dict[int, Known] | None = None) -> dict[int, Known]:
    """One round after the other."""
    known = known or {}
    for at in seen:
        known = after(known, [at])
    return known


def test_the_row_of_a_server() -> None:
    """A server is a provider of its own name, its address said, each model by the name that it has there."""
    assert providers(rounds(FOUND)) == {
        "ollama": {"defaults": {"api_type": "ollama", "api_host": "http://127.0.0.1:11434"}, "a": {}, "b": {}}
    }


def test_a_server_that_goes_is_kept_for_three_rounds() -> None:
    """It may only be starting again; after that it is gone, and new when it comes back."""
    assert "ollama" in providers(rounds(FOUND, *[GONE] * KEPT))
    assert providers(rounds(FOUND, *[GONE] * (KEPT + 1))) == {}
    assert "ollama" in providers(rounds(FOUND, GONE, FOUND, *[GONE] * KEPT))


def test_a_busy_server_stays() -> None:
    """Whoever listens, and does not answer in time, is as it was, however long."""
    silent = AtPort(11434, "silent", kinds.OLLAMA)

    assert "ollama" in providers(rounds(FOUND, *[silent] * 10))


def test_another_server_at_the_port_replaces_it_at_once() -> None:
    """What is there counts, not what was."""
    other = AtPort(11434, "found", kinds.VLLM, ("c",))
    page = AtPort(11434, "unused", reason="no model server")

    assert list(providers(rounds(FOUND, other))) == ["vllm"]
    assert providers(rounds(FOUND, page)) == {}


def test_two_of_a_kind_have_two_names() -> None:
    """The second is called after its port, and the first keeps its name whoever comes and goes."""
    second = AtPort(9000, "found", kinds.OLLAMA, ("c",))
    known = after({}, [second])

    assert [one.name for one in known.values()] == ["ollama"]
    assert {one.name for one in after(known, [FOUND]).values()} == {"ollama", "ollama-11434"}
    assert after(known, [FOUND])[9000].name == "ollama"


def test_who_is_no_model_server_is_asked_ever_more_seldom() -> None:
    """A developer's server must not find our questions in its log all day; one that is getting ready is asked each time."""
    page = AtPort(3000, "unused", reason="no model server")
    known: dict[int, Known] = {}
    asked = []
    for number in range(1, 40):
        if due(known, [3000]):
            asked.append(number)
        known = after(known, [page] if due(known, [3000]) else [])
    loading = after({}, [AtPort(3000, "unused", kinds.LLAMA_CPP, reason="503", waiting=True)])

    assert asked == [1, 2, 4, 8, 16, 32]
    assert due(loading, [3000]) == [3000]
