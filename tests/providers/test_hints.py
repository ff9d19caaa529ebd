"""What only speaks to a vendor's cache or statistics is nothing that an answer lacks."""

from __future__ import annotations

import pytest

from providers.discovery import discover
from tests.support.native_kit import ask, body_of, row

ADAPTERS = discover()
HINTS = {"prompt_cache_key": "k", "prompt_cache_retention": "24h", "client_metadata": {"a": "b"}}
#: Those that say who asks: some vendors have a place for it.
WHO = {"user": "u", "safety_identifier": "s"}


@pytest.mark.parametrize("name", ADAPTERS)
def test_hints_are_no_loss(name: str) -> None:
    """Where nobody reads them they are left out, and not named beside what was lost."""
    call = ADAPTERS[name].chat_call(ask(**HINTS, **WHO, logit_bias={"1": 1}), row(name, "claude-up"))

    assert not HINTS.keys() & body_of(call).keys()
    assert set(call.dropped) <= {"logit_bias"}
