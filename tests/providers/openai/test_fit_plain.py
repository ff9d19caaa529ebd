"""The short way through ``fit`` for plain conversations gives what the long one gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.openai import fit as module
from providers.vendors import VENDORS

TEXTS = st.sampled_from(["", " ", "a", "b\n", "{}"])
ROLES = st.sampled_from(["user", "assistant", "system", "developer", "tool"])
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": ROLES, "content": TEXTS | st.none()},
        optional={"name": st.just("n"), "tool_calls": st.just([]), "cache_control": st.just({})},
    ),
    min_size=1,
    max_size=5,
)
MORE = st.fixed_dictionaries(
    {}, optional={"stream": st.booleans(), "temperature": st.just(1), "max_tokens": st.just(9), "user": TEXTS}
)


@pytest.mark.parametrize("name", sorted(VENDORS))
@settings(max_examples=40)
@given(messages=MESSAGES, more=MORE, model=st.sampled_from(["m", "gpt-5", "o3"]))
def test_both_ways_are_one(
    name: str, messages: list[dict[str, Any]], more: dict[str, Any], model: str
) -> None:
    """For every row, whatever the turns and the parameters are."""
    bodies = [{"model": model, "messages": [dict(m) for m in messages], **more} for _ in range(2)]
    with pytest.MonkeyPatch.context() as patch:
        found = [module.fit(bodies[0], VENDORS[name], model)]
        patch.setattr(module, "is_talk", lambda messages: False)
        found.append(module.fit(bodies[1], VENDORS[name], model))

    assert found[0] == found[1]
    assert bodies[0] == bodies[1]
