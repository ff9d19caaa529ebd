"""The last states of the configuration, so that any two can be compared, and any be gone back to.

Laws: bounded by number and by size, the newest always kept. A state is what the registry made it; nothing is copied.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.live.state.snapshot import Snapshot, describe

#: States, and bytes of their files, that are kept at most.
MOST, _BYTES = 20, 32 * 1024 * 1024


class KeptStates:
    """One process's, newest last."""

    def __init__(self, first: Snapshot) -> None:
        self._states: list[Snapshot] = [first]

    def add(self, snapshot: Snapshot) -> None:
        """It serves now."""
        newest = self._states[-1]
        if newest.hash == snapshot.hash:
            self._states[-1] = snapshot  # under another number
            return
        self._states.append(snapshot)
        while len(self._states) > MOST or (len(self._states) > 1 and self._size() > _BYTES):
            del self._states[0]

    def _size(self) -> int:
        seen: set[int] = set()
        size = 0
        for state in self._states:
            data = state.reading.data
            if isinstance(data, bytes) and id(data) not in seen:
                seen.add(id(data))
                size += len(data)
        return size

    def find(self, generation: int) -> Snapshot | None:
        """The state of that number."""
        return next((one for one in reversed(self._states) if one.generation == generation), None)

    def changes(self, older: int, newer: int) -> list[str] | None:
        """What makes the difference between two of them, in words; None if one is not known."""
        before, after = self.find(older), self.find(newer)
        return None if before is None or after is None else describe(before, after)

    def listed(self, current: int) -> list[dict[str, Any]]:
        """All of them, newest first; ``changes``: against the one before."""
        return [
            {
                "generation": state.generation,
                "hash": state.hash,
                "file_hash": state.reading.file_hash,
                "loaded_at": round(state.loaded_at, 3),
                "current": state.generation == current,
                "models": len(state.models),
                "changes": describe(self._states[at - 1], state) if at else None,
            }
            for at, state in reversed([*enumerate(self._states)])
        ]
