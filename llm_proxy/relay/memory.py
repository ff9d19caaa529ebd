"""How much of the bodies of requests and answers a process may hold, and how much it holds.

Laws: whoever takes gives back the same, whichever way its request ends; nothing beyond the limit is ever taken. What is
counted are bytes of bodies times what they cost here, not the process's own size: that is measured by the operating system.
Pure; made for one event loop.
"""

from __future__ import annotations

from collections.abc import Callable

from llm_proxy.errors import Overloaded

#: A body is there as it came, as values, and as it is sent on: of a request from its first byte to its end, of an answer
#: that is read whole from its first byte until the client has it.
COST = 3
#: What a refused client is told to wait, in seconds.
RETRY_AFTER = "1"
_MUCH = 32 << 20


class Memory:
    """``limit``: bytes; ``held``: of them taken now; ``refused``: how many requests were turned away. ``on_flood`` is called
    when much is held, ``on_ebb`` when most of it is not any more."""

    __slots__ = ("_most", "held", "limit", "on_ebb", "on_flood", "refused")

    def __init__(
        self,
        limit: int,
        on_ebb: Callable[[], None] | None = None,
        on_flood: Callable[[], None] | None = None,
    ) -> None:
        self.on_ebb = on_ebb
        self.on_flood = on_flood
        #: The most that was held since the last ebb.
        self._most = 0
        self.limit = limit
        self.held = 0
        self.refused = 0

    def fits(self, size: int) -> bool:
        """Whether a body of so many bytes more could be held now."""
        return self.held + size * COST <= self.limit

    def take(self, size: int) -> bool:
        """Hold so many bytes more of a body, if there is room."""
        held = self.held + size * COST
        if held > self.limit:
            return False
        self.held = held
        if held > self._most:
            if self._most <= _MUCH < held and self.on_flood is not None:
                self.on_flood()
            self._most = held
        return True

    def give_back(self, size: int) -> None:
        """They are held no more."""
        self.held -= size * COST
        if self._most > _MUCH and self.held < min(self._most // 4, _MUCH):
            self._most = self.held
            if self.on_ebb is not None:
                self.on_ebb()

    def refusal(self) -> Overloaded:
        """What the client is told that finds no room."""
        self.refused += 1
        return Overloaded(
            "the gateway holds as many large bodies as its memory allows; try again later",
            retry_after=RETRY_AFTER,
        )

    def report(self) -> dict[str, int]:
        """What the status endpoint says."""
        return {"limit": self.limit, "held": self.held, "refused": self.refused}
