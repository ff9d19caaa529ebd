"""A request that is nothing but a talk is read, and made a call, as any other is; only more quickly."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.errors import InvalidRequest
from llm_proxy.wire import schema
from llm_proxy.wire.calls import Deployment, Secret
from llm_proxy.wire.schema import ChatRequest
from providers.openai.provider import OpenAIProvider
from providers.vendors import VENDORS

texts = st.sampled_from(["", "a", "b\n", "é", 1, None])
roles = st.sampled_from(["user", "assistant", "system", "developer", "tool", "", None])
messages = st.fixed_dictionaries(
    {"role": roles},
    optional={"content": texts | st.just([{"type": "text", "text": "x"}]), "name": texts, "x": st.integers()},
)
requests = st.fixed_dictionaries(
    {"model": st.sampled_from(["m", "m", "gpt-5.4", "", 1, None])},
    optional={
        "messages": st.lists(messages, max_size=4) | st.none() | st.just("x"),
        "stream": st.sampled_from([True, False, None, 1, "x"]),
        "temperature": st.sampled_from([0.5, "x"]),
        "think": st.booleans(),
    },
)


def _read(sent: dict[str, Any]) -> tuple[Any, ...]:
    try:
        request = ChatRequest.of(sent)
    except InvalidRequest as error:
        return (str(error), error.problems)
    _ = request.messages
    values = {name: getattr(request, name) for name in ChatRequest.model_fields}
    return (
        request.sent is sent, values, request.model_fields_set, request.model_extra, request.model_dump(),
        request.wants_usage, [type(one) for one in request.messages],
    )  # fmt: skip


@given(sent=requests)
def test_it_is_read_as_any_other(sent: dict[str, Any]) -> None:
    """Whatever is in it: the same values, or the same problems."""
    with pytest.MonkeyPatch.context() as patch:
        found = _read(sent)
        patch.setattr(schema, "is_talk", lambda messages: False)
        assert found == _read(sent)


@pytest.mark.parametrize("name", sorted(VENDORS))
@given(
    sent=requests,
    model=st.sampled_from(["m", "o1-pro", "gpt-5.4"]),
    options=st.sampled_from([{}, {}, {"temperature": 1.0}, {"stream_options": {"include_usage": False}}]),
    api=st.sampled_from(["", "chat", "responses"]),
    token=st.sampled_from([None, "secret-key"]),
)
def test_its_call_is_that_of_any_other(
    name: str, sent: dict[str, Any], model: str, options: dict[str, Any], api: str, token: str | None
) -> None:
    """For every vendor: the same call, byte for byte, or it goes the usual way."""
    try:
        request = ChatRequest.of(sent)
    except InvalidRequest:
        return
    provider = OpenAIProvider()
    row = Deployment(
        *(
            "p",
            "m",
            "openai",
            "http://h/v1",
            model,
            Secret(token) if token else None,
            MappingProxyType(options),
        ),
        vendor=name,
        api=api,
    )
    for _ in range(2):  # without a plan, and with one
        call = provider.talk_call(request, row) if request.talk else None
        if call is not None:
            assert provider.adapter_for(request, row) is provider
            assert provider.without_thinking(request, row) is None
            assert call == provider.chat_call(request, row)


def test_a_plan_is_not_shown() -> None:
    """It may hold the key, and makes no difference between rows."""
    row = Deployment("p", "m", "openai", "http://h/v1", "m", Secret("planted-secret"))
    other = Deployment("p", "m", "openai", "http://h/v1", "m", Secret("planted-secret"))
    request = ChatRequest.of({"model": "m", "messages": [{"role": "user", "content": "?"}]})

    assert request.talk
    call = OpenAIProvider().talk_call(request, row)
    assert call is not None
    assert ("Authorization", "Bearer planted-secret") in call.headers
    assert row == other
    assert "planted-secret" not in repr(row)
