"""A limit that is far away costs no timer, and is kept as exactly as one that has its own."""

from __future__ import annotations

from llm_proxy.net import wheel
from llm_proxy.net.wheel import Wheel


class Loop:
    """A loop of which time is what we say."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: list[tuple[float, object]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: object) -> Loop:
        self.due.append((self.now + seconds, call))
        return self

    def cancel(self) -> None:
        self.due.clear()

    def run(self, until: float) -> None:
        while self.due and self.due[0][0] <= until:
            self.now, call = self.due.pop(0)
            call()  # type: ignore[operator]
        self.now = until


class Rider:
    def __init__(self, until: float) -> None:
        self.until = until
        self.left_at: float | None = None

    def on_turn(self, now: float) -> bool:
        if self.until - now > wheel.NEAR:
            return True
        self.left_at = now
        return False


def test_each_leaves_before_his_moment() -> None:
    """With time enough for a timer of his own; a wheel without riders stands still."""
    loop = Loop()
    turning = Wheel(loop)  # type: ignore[arg-type]
    riders = [Rider(until) for until in (2.1, 2.9, 3.0, 7.5)]
    for rider in riders:
        turning.join(rider)
    gone = Rider(5.0)
    turning.join(gone)
    turning.leave(gone)
    turning.leave(gone)
    loop.run(20.0)

    for rider in riders:
        assert rider.left_at is not None
        assert rider.left_at < rider.until
    assert gone.left_at is None
    assert loop.due == []


def test_a_wheel_that_is_stopped_asks_nobody() -> None:
    """And may be used again."""
    loop = Loop()
    turning = Wheel(loop)  # type: ignore[arg-type]
    turning.join(Rider(100.0))
    turning.stop()
    assert loop.due == []
    turning.join(rider := Rider(3.0))
    loop.run(10.0)
    assert rider.left_at is not None
