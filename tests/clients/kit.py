"""What the tests of the official clients share: a gateway whose model ``m`` is somewhere else each time, threads for
the clients that block, and the forms that answers are asked for in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel

from tests.support.gateway import RunningGateway

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Served:
    """A running gateway, and what its model ``m`` answers to anything but tools and schemas."""

    gateway: RunningGateway
    text: str
    #: A real model, which says what it likes.
    is_real: bool = False

    @property
    def openai(self) -> str:
        """The base URL for OpenAI's clients."""
        return self.gateway.origin + "/v1"

    @property
    def ollama(self) -> str:
        """The base URL for Ollama's clients."""
        return self.gateway.origin + "/ollama"

    @property
    def google(self) -> str:
        """The base URL for Google's clients."""
        return self.gateway.origin + "/gemini"

    @property
    def anthropic(self) -> str:
        """The base URL for Anthropic's clients."""
        return self.gateway.origin


#: ``async with serve() as served``.
Serve = Callable[[], AbstractAsyncContextManager[Served]]


class Reply(BaseModel):
    """What the doubles answer to a schema, whatever it is: ``{"answer": 42}``; a real server makes up a number."""

    answer: int


def get_weather(city: str) -> str:
    """The weather of a city.

    Args:
        city: Where.
    """
    return f"sunny in {city}"


WEATHER = "sunny in Paris"


async def in_thread(work: Callable[[], T]) -> T:
    """Let a client that blocks do its work while the gateway, in this loop, answers it."""
    return await asyncio.to_thread(work)
