"""``no_proxy`` as curl and Go read it."""

from __future__ import annotations

import pytest

from llm_proxy.upstreams.no_proxy import parse

CASES = [
    # entries, host, port, direct?
    ("*", "anything.example", 443, True),
    ("*", "10.1.2.3", 80, True),
    ("a.example, *", "b.example", 80, True),
    ("*.cluster.local", "vllm.default.svc.cluster.local", 80, True),
    (".cluster.local", "vllm.default.svc.cluster.local", 80, True),
    ("cluster.local", "vllm.default.svc.cluster.local", 80, True),
    ("cluster.local", "cluster.local", 80, True),
    (".cluster.local", "cluster.local", 80, True),
    ("cluster.local", "notcluster.local", 80, False),
    ("*.cluster.local", "notcluster.local", 80, False),
    ("VLLM.Example", "vllm.example", 80, True),
    ("vllm.example", "VLLM.EXAMPLE", 80, True),
    ("vllm.example.", "vllm.example", 80, True),
    ("vllm.example", "vllm.example.", 80, True),
    ("gpu-box", "gpu-box", 8000, True),
    ("gpu_box", "gpu_box", 8000, True),
    ("gpu-box:8000", "gpu-box", 8000, True),
    ("gpu-box:8000", "gpu-box", 8001, False),
    (".example:8000", "a.example", 8000, True),
    ("gpu-box:8000,gpu-box:9000", "gpu-box", 9000, True),
    ("gpu-box:8000,gpu-box", "gpu-box", 1, True),
    ("10.1.2.3", "10.1.2.3", 22900, True),
    ("10.1.2.3:22900", "10.1.2.3", 22900, True),
    ("10.1.2.3:22900", "10.1.2.3", 22901, False),
    ("10.0.0.0/8", "10.1.2.3", 80, True),
    ("10.9.9.9/8", "10.1.2.3", 80, True),
    ("10.0.0.0/8", "11.1.2.3", 80, False),
    ("10.0.0.0/8", "10.example", 80, False),
    ("0.0.0.0/0", "8.8.8.8", 80, True),
    ("0.0.0.0/0", "::1", 80, False),
    ("fd00::/8", "fd00::1", 80, True),
    ("FD00::/8", "FD12::1", 80, True),
    ("[fd00::]/8", "fd00::1", 80, True),
    ("fd00::/8", "fe80::1", 80, False),
    ("fe80::/10", "fe80::1%eth0", 80, True),
    ("::1", "::1", 80, True),
    ("[::1]", "::1", 80, True),
    ("[::1]:8080", "::1", 8080, True),
    ("[::1]:8080", "::1", 8081, False),
    ("0:0:0:0:0:0:0:1", "::1", 80, True),
    ("10.1.2.3", "::ffff:10.1.2.3", 80, True),
    ("10.0.0.0/8", "::ffff:10.1.2.3", 80, True),
    ("a.example b.example\tc.example", "b.example", 80, True),
    (" a.example ,\n b.example ", "b.example", 80, True),
    (",,a.example,,", "a.example", 80, True),
    ("", "a.example", 80, False),
    ("2.3", "10.1.2.3", 80, False),
    ("3", "10.1.2.3", 80, False),
]


@pytest.mark.parametrize(("entries", "host", "port", "direct"), CASES)
def test_who_is_reached_directly(entries: str, host: str, port: int, direct: bool) -> None:
    """Names with all below them, addresses, networks, ports, brackets, case and white space."""
    assert parse(entries).cover(host, port) is direct


@pytest.mark.parametrize(
    "entry",
    [
        *("10.1.", "10.1.2.*", "192.168", "10.0.0.0/33", "10.0.0.0/255.0.0.0", "10.0.0.0/8:80", "fd00::/129"),
        *(
            "a*.example",
            "*example",
            "a..example",
            "-a",
            "a/b",
            "http://a.example",
            "<local>",
            "a:0",
            "a:65536",
            "a:b",
        ),
        *("[::1", "::1]", "ä.example", ".", "*.", ":80"),
    ],
)
def test_what_is_not_understood_is_kept(entry: str) -> None:
    """So that it can be told; the entries around it hold."""
    found = parse(f"first.example,{entry},last.example")
    assert found.unknown == (entry,)
    assert found.cover("first.example", 1)
    assert found.cover("last.example", 1)
    assert not found.everything


def test_what_is_shown_of_a_strange_entry() -> None:
    """No password, and not more than can be read."""
    (shown,) = parse("http://me:secret@" + "x" * 1000 + "!").unknown
    assert "secret" not in shown
    assert len(shown) <= 60
