"""Which files a configuration names, whatever for."""

from __future__ import annotations

import json

import pytest

from llm_proxy.live.state.named_files import named_files


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        (json.dumps({"p": {"m": {"api_token": "${file:/run/key}"}}}), {"/run/key"}),
        (json.dumps({"p": {"m": {"api_token": "a${file:/k/1}b${file:/k/2}"}}}), {"/k/1", "/k/2"}),
        (r'{"p": {"api_token": "\u0024{file:\/run\/key}"}}', {"/run/key"}),
        (
            json.dumps({"p": {"ca": "/etc/ca.pem", "m": [{"client_key": "/etc/key.pem"}]}}),
            {"/etc/ca.pem", "/etc/key.pem"},
        ),
        (json.dumps({"p": {"ca": "${CA}", "x": "${OTHER}"}}), {"/env/ca"}),
        ('{"a": "/one", "a": "/two"}', {"/one", "/two"}),
        ('{"a": "${file:/torn}", "b', {"/torn"}),
        ('{"m/n": "not/absolute", "h": "http://host/v1"}', set()),
        ("[" * 100_000, set()),
        ('"/' + "x" * 5000 + '"', set()),
    ],
)
def test_paths(text: str, paths: set[str]) -> None:
    """Found in values at any depth, escaped or not, once or twice, in whole and in torn texts."""
    assert named_files(text.encode(), {"CA": "/env/ca", "OTHER": "plain"}) == paths


def test_bytes_that_are_no_text() -> None:
    """They name what they name."""
    assert named_files(b'\xff{"a": "/one"', {}) == {"/one"}
