"""What is at a port, judged by what it answers."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.live.config.additions import written
from llm_proxy.live.config.loader import load_config
from llm_proxy.service.discovery.fingerprints import MAX_MODELS, Heard, recognise
from llm_proxy.service.discovery.kinds import PORTS, questions
from llm_proxy.service.discovery.rounds import after, providers
from tests.support.config_kit import API_TYPES
from tests.support.known_servers import OLLAMA, SERVERS, KnownServer


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_each_server(server: KnownServer) -> None:
    """Each server is told by its answers at its usual port, with its models; what is none is named, with the reason."""
    found = recognise(server.port, {path: server.heard(path) for path in questions(server.port)})

    assert found.state == ("found" if server.models else "unused")
    assert found.models == server.models
    assert found.reason == server.reason
    if server.models:
        assert found.kind is not None
        assert found.kind.name == server.provider


@pytest.mark.parametrize("server", [one for one in SERVERS if one.models], ids=lambda server: server.name)
def test_what_is_served_is_good_configuration(server: KnownServer) -> None:
    """The row for each server is one that the loader takes, without a warning."""
    found = recognise(server.port, {path: server.heard(path) for path in questions(server.port)})
    added = providers(after({}, [found]))
    config = load_config(
        b'{"demo": {"demo": {}}}',
        source="f",
        api_types=API_TYPES,
        env={},
        read_file=lambda path: b"",
        max_total=None,
        added=written(added),
    )

    assert not config.warnings
    assert {row.name for row in config.deployments} == {"demo", *server.models}


def test_a_port_of_ones_own_choice() -> None:
    """At a port where nobody usually listens each server is asked about, and told all the same."""
    asked = questions(23456)

    assert {path for port in PORTS for path in questions(port)} == set(asked)
    for server in SERVERS:
        if server.models and server.provider not in ("jan", "server-8080"):
            found = recognise(23456, {path: server.heard(path) for path in asked})
            assert found.kind is not None, server.name
            assert found.kind.name == server.provider


@pytest.mark.parametrize(
    ("answers", "state", "reason"),
    [
        ({"/v1/models": "nothing"}, "nothing", ""),
        ({"/v1/models": "silent", "/api/tags": "silent"}, "silent", ""),
        ({"/v1/models": "large"}, "unused", "no HTTP server, or an answer that is far too large"),
        ({"/v1/models": "broken"}, "unused", "no HTTP server, or an answer that is far too large"),
        ({"/v1/models": "silent", "/readyz": Heard(404)}, "silent", ""),
        ({"/v1/models": Heard(200, {}, b'{"data": []}'), "/api/version": "silent"}, "silent", ""),
    ],
)
def test_what_does_not_answer(answers: Any, state: str, reason: str) -> None:
    """Nobody, somebody who is silent, and somebody who speaks no HTTP are three things."""
    found = recognise(8080, answers)

    assert (found.state, found.reason) == (state, reason)


def test_a_list_without_end_is_cut() -> None:
    """Of one server's list a bounded number of models is taken, each once."""
    names = [f"m{number}" for number in range(MAX_MODELS + 10)]
    tags = {"models": [{"model": name} for name in ("m0", *names)]}
    server = KnownServer("many", 11434, {**OLLAMA.answers, "/api/tags": tags})
    found = recognise(11434, {path: server.heard(path) for path in questions(11434)})

    assert found.models == tuple(names[:MAX_MODELS])
