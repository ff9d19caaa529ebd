"""The requests: conversations whose lengths are those of a real trace.

``lengths.json`` holds quantiles of the Azure LLM inference trace 2023 (Patel et al., "Splitwise", ISCA 2024; CC BY 4.0): for each
twentieth of the requests, ordered by the length of their prompt, that length and ten quantiles of the answer's, in tokens.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from llm_proxy.routing.affinity import Prompt

_LENGTHS = json.loads((Path(__file__).parent / "lengths.json").read_text())
#: Tokens of a block of 1,024 characters.
BLOCK = 256
#: System prompts that many conversations share: how many, and how long they are, in blocks.
_SYSTEMS, _SYSTEM_BLOCKS = 20, 4
#: The share of conversations that goes on after each turn, and the seconds until the next turn comes.
_GOES_ON, _PAUSE = 0.7, 15.0
_QUESTION = 120


class Request(NamedTuple):
    """``prompt`` is what affinity sees: the blocks that the text would have. Lengths are in tokens."""

    conversation: int
    system: int
    turn: int
    context: int
    answer: int
    prompt: Prompt


class Conversations:
    """Draws requests. The same seed gives the same ones."""

    def __init__(self, seed: int, trace: str = "conv") -> None:
        self._chance = random.Random(seed)
        self._table = _LENGTHS[trace]
        self._count = 0

    def first(self) -> Request:
        """The first request of a new conversation."""
        self._count += 1
        # Few system prompts have most of the requests.
        system = min(int(self._chance.paretovariate(0.7)) - 1, _SYSTEMS - 1)
        context, answers = self._chance.choice(self._table)
        return self._request(self._count, system, 0, context, self._chance.choice(answers))

    def next(self, before: Request) -> tuple[float, Request] | None:
        """The request that follows, and after how many seconds; None if nothing does."""
        if self._chance.random() > _GOES_ON:
            return None
        _, answers = self._chance.choice(self._table)
        context = before.context + before.answer + _QUESTION
        made = self._request(
            before.conversation, before.system, before.turn + 1, context, self._chance.choice(answers)
        )
        return self._chance.expovariate(1 / _PAUSE), made

    def _request(self, number: int, system: int, turn: int, context: int, answer: int) -> Request:
        return Request(number, system, turn, context, answer, _prompt(number, system, context))

    def gaps(self, rate: float) -> Iterator[float]:
        """Seconds between the beginnings of conversations, of which there are ``rate`` a second."""
        while True:
            yield self._chance.expovariate(rate)


def requests_each() -> float:
    """How many requests a conversation has, in the mean."""
    return 1 / (1 - _GOES_ON)


def _prompt(number: int, system: int, context: int) -> Prompt:
    """What ``affinity.prompt_of`` would make of the text: the system prompt's blocks, then the conversation's own."""
    count = min(context // BLOCK, 64)
    blocks = tuple(
        b"s%d.%d" % (system, at) if at < _SYSTEM_BLOCKS else b"%d.%d" % (number, at) for at in range(count)
    )
    return Prompt(b"", blocks, b"c%d" % number)


def shared_tokens(request: Request) -> int:
    """How many of its tokens are those of the system prompt."""
    return min(request.context, _SYSTEM_BLOCKS * BLOCK)
