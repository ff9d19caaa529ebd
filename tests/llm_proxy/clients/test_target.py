"""Targets of requests and spellings of paths. Pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.clients.target import BadTarget, after, below, origin_form, spelled

FORMS = [
    ("GET", "http://h.example/a?b", "/a?b", "h.example"),
    ("GET", "HTTP://h.example:80/a", "/a", "h.example:80"),
    ("GET", "https://[::1]:1/", "/", "[::1]:1"),
    ("GET", "http://h.example", "/", "h.example"),
    ("GET", "http://h.example?b", "/?b", "h.example"),
    ("OPTIONS", "*", "/", None),
    ("OPTIONS", "http://h.example", "/", "h.example"),
]


@pytest.mark.parametrize(("method", "target", "path", "host"), FORMS)
def test_all_legal_forms(method: str, target: str, path: str, host: str | None) -> None:
    """Of a target are one form, and the host that it names."""
    assert origin_form(method, target) == (path, host)


@pytest.mark.parametrize(
    "target",
    ["*", "h.example:443", "ftp://h/", "http:///a", "http://u@h/", "http:/a", "a", "", "http://h\\x/"],
)
def test_what_is_no_target(target: str) -> None:
    """Is refused."""
    with pytest.raises(BadTarget):
        origin_form("GET", target)


SPELLINGS = {
    "//v1/chat/completions": "/v1/chat/completions",
    "/v1//chat///completions/": "/v1/chat/completions",
    "/v1/ch%61t/%63ompletions": "/v1/chat/completions",
    "/v1/models/a%2Fb%3A": "/v1/models/a%2Fb%3A",
    "/%7E%2d%5F%2E": "/~-_.",
    "/": "/",
    "//": "/",
    "/a/../b/./c": "/a/../b/./c",
    "/%2561": "/%2561",
    "/%zz%": "/%zz%",
}


@pytest.mark.parametrize("path", SPELLINGS)
def test_one_spelling_for_each_path(path: str) -> None:
    """What can mean nothing else is written as everybody does."""
    assert spelled(path) == SPELLINGS[path]


@given(st.text("/%2fFaA.z", max_size=40))
def test_a_path_that_was_spelled_stays(rest: str) -> None:
    """But for percent signs that were hidden behind each other, which stay hidden."""
    once = spelled("/" + rest)

    assert "//" not in once
    assert once == "/" or not once.endswith("/")
    assert spelled(once).count("%") <= once.count("%")


def test_what_stands_below_a_prefix() -> None:
    """And only once."""
    assert below("/llm/ollama", "/llm") == "/ollama"
    assert below("/llm", "/llm") == "/"
    assert below("/llmx", "/llm") is None
    assert below("/llm/llm/ollama", "/llm") is None
    assert below("/ollama", "") is None


def test_what_follows_is_as_it_was_sent() -> None:
    """However what stands before it is spelled."""
    assert after("/api/passthrough/p/x%2Fy?q=//", 2) == "p/x%2Fy?q=//"
    assert after("//api//pass%74hrough///p//x", 2) == "p//x"
    assert after("/api/passthrough", 2) == ""
