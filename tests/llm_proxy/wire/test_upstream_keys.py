"""What routing's state is keyed by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_proxy.wire.calls import Deployment, PemFile, Secret

ROW = Deployment("p", "m", "openai", "http://up.test:8000/v1", "m", Secret("k"))


def test_edits_that_leave_the_upstream_alone_keep_its_key() -> None:
    """A provider's name, a public name, a weight, a tier, a limit: all that is ours to say."""
    edits = [
        replace(ROW, provider="q", name="other", weight=3.0, order=2, max_concurrent=1, input_size=10),
        replace(ROW, api_host="http://up.test:8000/v1/"),
        replace(ROW, active=False, prompt="p"),
    ]

    assert {edit.upstream_key for edit in edits} == {ROW.upstream_key}
    assert {edit.server_key for edit in edits} == {ROW.server_key}


@pytest.mark.parametrize(
    ("edit", "same_server"),
    [
        ({"model": "x"}, True),
        ({"api_type": "vllm"}, True),
        ({"api_host": "http://up.test:8000"}, True),
        ({"api_host": "http://UP.test:8000/v1"}, True),
        ({"api_host": "http://up.test:8001/v1"}, False),
        ({"api_host": "https://up.test:8000/v1"}, False),
        ({"token": Secret("other")}, False),
        ({"token": None}, False),
        ({"headers": {"X-Key": Secret("v")}}, False),
        ({"client_cert": PemFile("/c.pem")}, False),
    ],
)
def test_another_upstream_has_another_key(edit: dict[str, object], same_server: bool) -> None:
    """Another model, dialect or address is another upstream; another origin or credential another server too."""
    other = replace(ROW, **edit)  # type: ignore[arg-type]

    assert other.upstream_key != ROW.upstream_key
    assert (other.server_key == ROW.server_key) is same_server


def test_keys_tell_nothing() -> None:
    """They are made of a secret, and show none of it; they do not show in a repr, and rows compare by what they say."""
    assert len(ROW.upstream_key) == len(ROW.server_key) == 16
    assert ROW.upstream_key not in repr(ROW)
    assert replace(ROW) == ROW
