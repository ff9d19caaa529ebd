"""The last states of the configuration, so that any two can be compared, and any be gone back to.

Laws: bounded by number and by size, the newest always kept. Of a state is kept what a comparison and a way back need: rows that an
edit has left alone are the same objects in all of them, and what requests are served by goes with its snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from llm_proxy.live.access import words
from llm_proxy.live.access.values import Access
from llm_proxy.live.background_thread import yielding_gil
from llm_proxy.live.config.diff import diff
from llm_proxy.live.config.name_diff import NameRows
from llm_proxy.live.prompts.text import Prompt
from llm_proxy.live.state.reading import Unkept
from llm_proxy.live.state.snapshot import Snapshot
from llm_proxy.wire.calls import Deployment

#: States, and bytes of the files that they come from, that are kept at most.
MOST, _BYTES = 20, 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class KeptState:
    """What is kept of one. ``data``: the configuration file, None if it could not be read; ``sizes``: bytes of what is held,
    by what holds them."""

    generation: int
    hash: str
    file_hash: str
    loaded_at: float
    models: int
    data: bytes | None = field(repr=False)
    deployments: tuple[Deployment, ...] = field(repr=False)
    names: NameRows = field(repr=False)
    prompts: Mapping[tuple[str, str], Prompt] = field(repr=False)
    access: Access | None = field(repr=False)
    sizes: Mapping[int, int] = field(repr=False)

    @classmethod
    def of(cls, snapshot: Snapshot) -> KeptState:
        """What is kept of ``snapshot``."""
        reading, access = snapshot.reading, snapshot.access
        data = reading.data if isinstance(reading.data, bytes) else None
        sizes = {id(data): len(data)} if data is not None else {}
        if access is not None:
            access = replace(access, kept=None)
            if isinstance(reading.access, bytes):
                sizes[id(access.keys)] = len(reading.access)
            elif isinstance(reading.access, Unkept):
                sizes[id(access.keys)] = reading.access.size
        return cls(
            snapshot.generation,
            snapshot.hash,
            reading.file_hash,
            snapshot.loaded_at,
            len(snapshot.models),
            data,
            snapshot.config.deployments,
            snapshot.config.names.rows,
            snapshot.prompts.prompts,
            access,
            sizes,
        )

    def changes(self, later: KeptState) -> list[str]:
        """What makes ``later`` of it, in words."""
        before = {key: one.hash for key, one in self.prompts.items()}
        after = {key: one.hash for key, one in later.prompts.items()}
        keys = words.changes(self.access, later.access)
        return diff(self.deployments, later.deployments, before, after, self.names, later.names, keys)


class KeptStates:
    """One process's, newest last."""

    def __init__(self, first: Snapshot) -> None:
        self._states = [KeptState.of(first)]
        #: What each edit did, by the hashes before and after it.
        self._edits: dict[tuple[str, str], list[str]] = {}

    def add(self, snapshot: Snapshot) -> None:
        """It serves now."""
        state = KeptState.of(snapshot)
        if self._states[-1].hash == state.hash:
            self._states[-1] = state  # under another number
            return
        self._states.append(state)
        while len(self._states) > MOST or (len(self._states) > 1 and self._size() > _BYTES):
            del self._states[0]

    def _size(self) -> int:
        held: dict[int, int] = {}
        for state in self._states:
            held |= state.sizes
        return sum(held.values())

    def find(self, generation: int) -> KeptState | None:
        """The state of that number."""
        return next((one for one in reversed(self._states) if one.generation == generation), None)

    def changes(self, older: int, newer: int) -> list[str] | None:
        """What makes the difference between two of them, in words; None if one is not known."""
        before, after = self.find(older), self.find(newer)
        return None if before is None or after is None else before.changes(after)

    def listed(self, current: int) -> list[dict[str, Any]]:
        """All of them, newest first; ``changes``: against the one before. For a thread: it may take long."""
        states = self._states[:]
        pairs = {(one.hash, two.hash): (one, two) for one, two in pairwise(states)}
        with yielding_gil():
            self._edits = {
                pair: self._edits[pair] if pair in self._edits else one.changes(two)
                for pair, (one, two) in pairs.items()
            }
        edits = self._edits
        return [
            {
                "generation": state.generation,
                "hash": state.hash,
                "file_hash": state.file_hash,
                "loaded_at": round(state.loaded_at, 3),
                "current": state.generation == current,
                "models": state.models,
                "changes": edits[states[at - 1].hash, state.hash] if at else None,
            }
            for at, state in reversed([*enumerate(states)])
        ]
