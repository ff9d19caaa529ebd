"""What tokens cost, and how many there will be.

Laws: pure. Costs are whole micro-dollars, the nearest; an estimate is rounded up, so that nothing that costs is free. Vendors
tell cached tokens as part of those that were read. What is usual for a key and a model is what it had before.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Mapping
from math import ceil
from typing import Any, NamedTuple

from llm_proxy.live.access.values import Price

#: Until so many answers are known, this many tokens are expected.
_ENOUGH, _EXPECTED = 10, 1024
_KEPT, _PAIRS = 64, 4096
#: Bytes of text that are about a token; what a picture or another file in the text counts for; what is shorter has none.
BYTES, _FILE = 4, 1000
LITTLE = BYTES * _FILE
_ENCODED = re.compile(rb"[A-Za-z0-9+/=_-]{1024,}")


class Tokens(NamedTuple):
    """Of one answer, as the vendor counts. ``cached`` and ``cache_write`` are part of ``input``."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0

    def plus(self, other: Tokens) -> Tokens:
        """Both."""
        return Tokens(
            self.input + other.input,
            self.output + other.output,
            self.cached + other.cached,
            self.cache_write + other.cache_write,
            self.reasoning + other.reasoning,
        )


NONE = Tokens()
#: Makes a named tuple without the call of a Python function that its own name is.
_new = tuple.__new__


def tokens_in(usage: Mapping[str, Any]) -> Tokens | None:
    """What a ``usage`` says, in OpenAI's form or in Anthropic's; None if it says nothing."""
    read, wrote = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(read) is int and type(wrote) is int and 0 <= read < _MUCH and 0 <= wrote < _MUCH:
        if _MORE.isdisjoint(usage):  # as many vendors tell it, or a plain one
            return _new(Tokens, (read, wrote, 0, 0, 0))
    elif read is None and wrote is None:
        return None
    cached = written = thought = 0
    if inside := usage.get("prompt_tokens_details"):
        inside = inside if type(inside) is dict else _mapping(inside)
        if count := inside.get("cached_tokens"):
            cached = _count(count)
        if count := inside.get("cache_creation_tokens"):
            written = _count(count)
    if outside := usage.get("completion_tokens_details"):
        outside = outside if type(outside) is dict else _mapping(outside)
        if count := outside.get("reasoning_tokens"):
            thought = _count(count)
    if not written and "cache_creation_input_tokens" in usage:
        written = _count(usage["cache_creation_input_tokens"])
    read, wrote = _count(read), _count(wrote)
    return _new(Tokens, (max(read, cached + written), wrote, cached, written, thought))


#: What else a usage may tell.
_MORE = frozenset({"prompt_tokens_details", "completion_tokens_details", "cache_creation_input_tokens"})
_MUCH = 1 << 40
_PROMPT_TOKENS = re.compile(rb'"(?:prompt_tokens|prompt_eval_count|promptTokenCount)"\s*:\s*(\d{1,15})')


def usage_at_end(body: bytes) -> dict[str, Any]:
    """What an answer of vectors says of its tokens: at its end, or at its beginning, since the vectors are long."""
    found = _PROMPT_TOKENS.search(body[-500:]) or _PROMPT_TOKENS.search(body[:500])
    return {"prompt_tokens": int(found[1]), "completion_tokens": 0} if found else {}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(value: Any) -> int:
    return min(value, _MUCH) if type(value) is int and value > 0 else 0


def cost(price: Price | None, used: Tokens) -> int:
    """In micro-dollars; 0 where nobody knows the price."""
    return round(_exactly(price, used)) if price is not None else 0


def expected_cost(price: Price | None, used: Tokens) -> int:
    """The same of an estimate."""
    return ceil(_exactly(price, used)) if price is not None else 0


def _exactly(price: Price, used: Tokens) -> float:
    if not (used.cached or used.cache_write):
        return used.input * price.input + used.output * price.output
    plain = used.input - used.cached - used.cache_write
    read = price.input if price.cache_read is None else price.cache_read
    write = price.input if price.cache_write is None else price.cache_write
    return plain * price.input + used.cached * read + used.cache_write * write + used.output * price.output


def tokens_of(data: bytes) -> int:
    """About how many tokens a request's body is; files in it count little, however long they are."""
    if len(data) < LITTLE:
        return len(data) // BYTES
    lengths = [found.end() - found.start() for found in _ENCODED.finditer(data)]
    return (len(data) - sum(lengths)) // BYTES + _FILE * len(lengths)


class Habit:
    """How many tokens the answers of one key and model had. ``expected``: how many the next one will have at most, most probably."""

    __slots__ = ("_noted", "_seen", "expected")

    def __init__(self) -> None:
        self._seen: deque[int] = deque(maxlen=_KEPT)
        self._noted = 0
        self.expected = _EXPECTED

    def note(self, output: int) -> None:
        """An answer had so many. What follows is worked out anew for each of the first, then from time to time."""
        seen = self._seen
        seen.append(output)
        self._noted = noted = self._noted + 1
        if noted & 7 and noted > _KEPT:
            return
        if noted >= _ENOUGH:
            self.expected = sorted(seen)[min(len(seen) - 1, len(seen) * 95 // 100)]


class Habits:
    """Those that were asked for last, over all files of keys."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Habit] = OrderedDict()

    def of(self, key: str, model: str) -> Habit:
        """That of this key and model."""
        pair = key, model
        found = self._known.get(pair)
        if found is None:
            if len(self._known) >= _PAIRS:
                self._known.popitem(last=False)
            found = self._known[pair] = Habit()
        self._known.move_to_end(pair)
        return found
