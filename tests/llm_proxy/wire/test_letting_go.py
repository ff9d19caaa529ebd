"""Large values are thrown away in parts, and what others hold stays as it is."""

from __future__ import annotations

import weakref
from typing import Any

from llm_proxy.wire.letting_go import let_go
from llm_proxy.wire.schema import ChatRequest


def _messages(count: int) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": "x"}] * 3} for _ in range(count)]


def test_what_others_hold_stays() -> None:
    """A list, an object and a request of which somebody holds a part."""
    inner = {"a": [[n] for n in range(5000)]}
    request = ChatRequest.of({"model": "m", "messages": _messages(5000), "metadata": inner})
    messages = request.messages
    let_go([{"x": inner, "y": [inner] * 3000}, request.sent, request])

    assert len(inner["a"]) == 5000
    assert len(messages) == 5000
    assert messages[4999].content == [{"type": "text", "text": "x"}] * 3


def test_all_is_gone() -> None:
    """Of what nobody holds nothing is left."""
    body = {"model": "m", "messages": _messages(5000), "metadata": {str(n): [n] for n in range(5000)}}
    request = ChatRequest.of(body)
    gone: list[weakref.ref[Any]] = [
        weakref.ref(request),
        weakref.ref(request.messages[0]),
        weakref.ref(request.messages[4999]),
    ]
    values: list[Any] = [body, request]
    del body, request
    let_go(values)

    assert values == []
    assert [one() for one in gone] == [None, None, None]


def test_parts_are_small(monkeypatch: Any) -> None:
    """Lists are emptied from their end, objects from their beginning, whatever is in them."""
    sizes: list[int] = []
    whole: dict[str, Any] = {str(n): [[m] for m in range(50)] for n in range(300)}
    whole["more"] = [{"a": [[k] for k in range(20)]} for _ in range(1000)]

    class Told(list[Any]):
        """Notes how much of it is taken at once."""

        def pop(self, *at: Any) -> Any:
            sizes.append(len(self))
            return super().pop(*at)

    values = Told([whole])
    del whole
    let_go(values)

    assert len(sizes) > 100
    assert not values
