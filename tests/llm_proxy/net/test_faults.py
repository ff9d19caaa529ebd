"""The tree of failures: complete, consistent, and safe to catch under other names."""

from __future__ import annotations

import itertools
import socket
import ssl
from collections.abc import Iterator
from typing import get_args

import pytest
from tornado.httpclient import HTTPClientError

from llm_proxy.errors import GatewayError, NoUpstream, UpstreamError
from llm_proxy.net import faults
from llm_proxy.net.faults import Kind, Phase, TransportError, connect_error
from llm_proxy.relay import upstream
from llm_proxy.upstreams import http_client as transport
from llm_proxy.wire.calls import Timeouts


def tree(top: type[TransportError] = TransportError) -> Iterator[type[TransportError]]:
    """All classes below ``top``."""
    for child in top.__subclasses__():
        yield child
        yield from tree(child)


CLASSES = sorted(set(tree()), key=lambda c: c.__name__)
ALL = [
    (found, phase, kind)
    for found in CLASSES
    for phase, kind in itertools.product(sorted(found.phases), sorted(found.kinds))
]


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """Every class is drawn in the module's docstring, re-exported by ``transport``, and nothing else is drawn."""
    drawn = {
        line.split("(")[0].split()[0] for line in (faults.__doc__ or "").splitlines() if "   " in line[:6]
    }
    names = {found.__name__ for found in CLASSES} | {"TransportError"}
    assert names == drawn & {name for name in drawn if name[0].isupper()}
    assert names <= set(transport.__all__)


def test_every_phase_and_kind_belongs_to_somebody() -> None:
    """No phase and no kind is without a class that carries it."""
    assert {phase for _, phase, _ in ALL} == set(get_args(Phase))
    assert {kind for _, _, kind in ALL} == set(get_args(Kind))


@pytest.mark.parametrize(("found", "phase", "kind"), ALL)
def test_each_failure_becomes_an_answer(found: type[TransportError], phase: Phase, kind: Kind) -> None:
    """Each possible failure is Tornado's 599, prints its message, and is mapped to an error that keeps phase and kind."""
    error = found("the message", phase, kind)
    assert isinstance(error, HTTPClientError)
    assert (error.code, str(error), error.response) == (599, "the message", None)
    assert found.__name__ in repr(error)
    made = upstream.translate(error, Timeouts())
    assert isinstance(made, GatewayError)
    assert isinstance(made, NoUpstream if phase == "pool" else UpstreamError)
    assert (made.phase, made.kind) == (phase, kind)
    assert "the message" not in made.message


@pytest.mark.parametrize(
    ("error", "phase", "kind", "builtin"),
    [
        (ConnectionRefusedError(111, "x"), "connect", "refused", ConnectionRefusedError),
        (ConnectionResetError(104, "x"), "connect", "reset", OSError),
        (OSError(113, "No route to host"), "connect", "unreachable", OSError),
        (PermissionError(13, "x"), "connect", "unreachable", OSError),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] x"), "tls", "protocol", ssl.SSLError),
        (ssl.SSLCertVerificationError(1, "x"), "tls", "verify", ssl.SSLCertVerificationError),
        (ConnectionResetError(104, "x"), "tls", "reset", ssl.SSLError),
        (TimeoutError(110, "x"), "connect", "timeout", OSError),
    ],
)
def test_errors_of_the_system_keep_their_nature(
    error: OSError, phase: Phase, kind: Kind, builtin: type[OSError]
) -> None:
    """A failure to connect is of our tree, and still is what Python calls it, with its number."""
    if isinstance(error, ssl.SSLCertVerificationError):
        error.verify_code, error.verify_message = 18, "self-signed certificate"
    made = connect_error(error, phase, "h:1")
    assert (made.phase, made.kind) == (phase, kind)
    assert isinstance(made, builtin)
    assert made.errno == error.errno
    assert made.phase in type(made).phases
    assert made.kind in type(made).kinds


def test_a_failed_look_up_is_a_gaierror() -> None:
    """Whoever catches ``socket.gaierror`` catches ours."""
    assert issubclass(transport.ResolveError, socket.gaierror)
    assert issubclass(transport.PoolTimeout, TimeoutError)
