"""Large values, thrown away in small parts: the interpreter frees all that a value holds in one step, 30 ms for a request of ten
thousand tool calls, and nobody else has a turn meanwhile, whatever thread that is in.

Laws: only what nobody else holds is taken apart; what others hold is left as it is. Pure.
"""

from __future__ import annotations

import sys
from itertools import islice
from typing import Any

from pydantic import BaseModel

from llm_proxy.wire.schema import Sent

#: About how many containers are freed in one step, and how many entries are looked at together.
_STEP = 1000
_PART = 100
#: Who holds a value that nobody else does: the name here, and the call that asks.
_OURS = 2


def let_go(values: list[Any]) -> None:
    """Throw ``values`` away, in parts."""
    while values:
        value: Any = values.pop()
        if sys.getrefcount(value) > _OURS or not _many(value):
            continue
        kind = type(value)
        if kind is list:
            while value:
                part = value[-_PART:]
                del value[-_PART:]
                if _many(part):
                    values += part
        elif kind is dict:
            while part := list(islice(value, _PART)):
                part = [value.pop(name) for name in part]
                if _many(part):
                    values += part
        elif isinstance(value, BaseModel):
            values += _inner(value)
        part = None


def _inner(value: Any) -> list[Any]:
    """What ``value`` holds that may hold something."""
    kind = type(value)
    if kind is list or kind is tuple:
        inner = value
    elif kind is dict:
        inner = value.values()
    elif isinstance(value, BaseModel):
        inner = [*vars(value).values(), value.__pydantic_extra__]
        if isinstance(value, Sent):
            inner.append(value.sent)
    else:
        return []
    return [
        one for one in inner if (type(one) is dict or type(one) is list or isinstance(one, BaseModel)) and one
    ]


def _many(value: Any) -> bool:
    """Whether that is more than one step."""
    left, waiting = _STEP, [value]
    while waiting:
        value = waiting.pop()
        if type(value) is list or type(value) is dict:
            left -= len(value) // 8
        left -= 1
        if left < 0:
            return True
        waiting += _inner(value)
    return False
