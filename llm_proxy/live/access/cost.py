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
#: Bytes of text that are about a token; and what a picture or another file in the text counts for.
_BYTES, _FILE = 4, 1000
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


def tokens_in(usage: Mapping[str, Any]) -> Tokens | None:
    """What a ``usage`` says, in OpenAI's form or in Anthropic's; None if it says nothing."""
    read, wrote = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(read) is int and type(wrote) is int and 0 <= read < _MUCH and 0 <= wrote < _MUCH:
        if _MORE.isdisjoint(usage):  # as many vendors tell it, or a plain one
            return tuple.__new__(Tokens, (read, wrote, 0, 0, 0))
    elif read is None and wrote is None:
        return None
    cached = written = thought = 0
    if inside := usage.get("prompt_tokens_details"):
        inside = _mapping(inside)
        cached, written = _count(inside.get("cached_tokens")), _count(inside.get("cache_creation_tokens"))
    if outside := usage.get("completion_tokens_details"):
        thought = _count(_mapping(outside).get("reasoning_tokens"))
    if not written and "cache_creation_input_tokens" in usage:
        written = _count(usage["cache_creation_input_tokens"])
    return Tokens(max(_count(read), cached + written), _count(wrote), cached, written, thought)


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
    if len(data) < 4 * _FILE:
        return len(data) // _BYTES
    lengths = [found.end() - found.start() for found in _ENCODED.finditer(data)]
    return (len(data) - sum(lengths)) // _BYTES + _FILE * len(lengths)


class Habits:
    """How many tokens answers had, by key and model."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], deque[int]] = OrderedDict()
        #: What follows from them; worked out anew for each of the first, then from time to time.
        self._expected: dict[tuple[str, str], int] = {}
        self._noted = 0

    def note(self, key: str, model: str, output: int) -> None:
        """An answer had so many."""
        pair = key, model
        found = self._seen.get(pair)
        if found is None:
            found = self._new(pair)
        elif len(self._seen) >= _PAIRS:
            self._seen.move_to_end(pair)  # who is asked for goes last
        found.append(output)
        self._noted = noted = self._noted + 1
        if noted & 7 and len(found) == _KEPT:
            return
        if len(found) >= _ENOUGH:
            self._expected[pair] = sorted(found)[min(len(found) - 1, len(found) * 95 // 100)]

    def _new(self, pair: tuple[str, str]) -> deque[int]:
        if len(self._seen) >= _PAIRS:
            self._expected.pop(self._seen.popitem(last=False)[0], None)
        found = self._seen[pair] = deque(maxlen=_KEPT)
        return found

    def usual(self, key: str, model: str, most: int | None) -> int:
        """What the next one will have at most, most probably; ``most``: the request's own limit."""
        expected = self._expected.get((key, model), _EXPECTED)
        return expected if most is None or most > expected else most
