"""The parameters of a call for a dialect that has other names: an adapter takes them one by one.

Laws: what the client sends wins over a default (``_options``); what an adapter has not taken in the end is what its
dialect cannot express, and is reported. Types of canonical names are checked already, at the door and when the
configuration loads; those of any other name are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from providers.common.conversation import refuse
from providers.common.defaults import effective

#: They are not parameters, or the adapter reads them from the typed request.
_STRUCTURE = frozenset({"model", "messages", "stream", "stream_options"})

#: They speak to a vendor's cache or statistics alone: to leave them out is no loss, and to name them hides the losses.
HINTS = frozenset(
    "user safety_identifier client_metadata prompt_cache_key prompt_cache_retention prompt_cache_options".split()
)

#: Values that ask for nothing: to leave them out loses nothing.
_NEUTRAL: Mapping[str, Any] = {
    "n": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "repetition_penalty": 1,
    "repeat_penalty": 1,
    "min_p": 0,
    "typical_p": 1,
    "top_logprobs": 0,
    "logprobs": False,
    "store": False,
    "parallel_tool_calls": True,
    "logit_bias": {},
    "metadata": {},
    "modalities": ["text"],
}

Layer = Mapping[str, Any]


class Params:
    """What was sent and, under it, the defaults; ``same`` lists names for one thing, the canonical ones first.
    ``dropped`` is what could not be expressed, in order."""

    def __init__(self, sent: Layer, defaults: Layer, same: Iterable[tuple[str, ...]]) -> None:
        merged, refused = effective(sent, defaults, same)
        #: In order, each once.
        self._dropped = dict.fromkeys(refused)
        self._left = {
            name: value for name, value in merged.items() if value is not None and name not in _STRUCTURE
        }

    @property
    def dropped(self) -> tuple[str, ...]:
        """The names of what could not be expressed so far."""
        return tuple(self._dropped)

    def take(self, *names: str) -> Any:
        """The value under the first of these names that has one, or None; all of them count as taken."""
        values = [self._left.pop(name, None) for name in names]
        return next((value for value in values if value is not None), None)

    def take_object(self, name: str) -> dict[str, Any]:
        """The object under ``name``, empty if there is none. Raises ``InvalidRequest`` if it is something else."""
        value = self.take(name)
        if value is not None and not isinstance(value, dict):
            refuse(name, "must be an object")
        return value or {}

    def take_number(self, *names: str) -> int | float | None:
        """The number under the first of these names, or None. Raises ``InvalidRequest`` if it is something else."""
        value = self.take(*names)
        if value is not None and (not isinstance(value, int | float) or isinstance(value, bool)):
            refuse(names[0], "must be a number")
        return value

    def drop(self, name: str, why: str = "") -> None:
        """Report a parameter that is not, or not exactly, sent; ``why`` is a word or two."""
        said = f"{name} ({why})" if why else name
        self._dropped[said] = None

    def take_all(self, names: Iterable[str]) -> dict[str, Any]:
        """Those of ``names`` that have a value: parameters that are sent as they are."""
        return {name: value for name in names if (value := self.take(name)) is not None}

    def drop_rest(self) -> None:
        """Report all that was not taken."""
        for name, value in self._left.items():
            if name not in HINTS and (name not in _NEUTRAL or _NEUTRAL[name] != value):
                self.drop(name)
        self._left = {}
