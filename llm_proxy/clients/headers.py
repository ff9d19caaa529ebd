"""The header fields of a request, to be read. Those of an answer: ``tornado_internals``.

Laws: pure; names are compared without regard to case, fields keep their order, and fields of one name are one list
(RFC 9110, section 5.3). What Tornado's ``HTTPHeaders`` offers to a reader is here, made in a tenth of the time: a
request has a dozen fields, and two of them are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import overload


class RequestHeaders(Mapping[str, str]):
    """``pairs``: names and values as they came; ``found``: the newest of each name, in small letters, if that is known."""

    __slots__ = ("_found", "_pairs")

    def __init__(self, pairs: list[tuple[str, str]], found: dict[str, str] | None = None) -> None:
        self._pairs = pairs
        if found is None:
            found = {name.lower(): value for name, value in pairs}
        if len(found) < len(pairs):
            found = {name: ",".join(self._values(name)) for name in found}
        self._found = found

    def _values(self, name: str) -> list[str]:
        return [value for other, value in self._pairs if other.lower() == name]

    def __getitem__(self, name: str) -> str:
        return self._found[name.lower()]

    @overload  # type: ignore[override]  # texts only
    def get(self, name: str) -> str | None: ...

    @overload
    def get(self, name: str, default: str) -> str: ...

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value of ``name``; several are joined by commas."""
        return self._found.get(name.lower(), default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._found

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def by_name(self) -> Mapping[str, str]:
        """All fields by name in small letters, those of one name joined by commas."""
        return self._found

    def has_any(self, names: frozenset[str]) -> bool:
        """Whether one of ``names`` (in lower case) is there."""
        return not self._found.keys().isdisjoint(names)

    def given(self, names: Iterable[str]) -> Iterator[str]:
        """The values of those of ``names`` (in lower case) that are there."""
        found = self._found
        return (found[name] for name in names if name in found)

    def get_list(self, name: str) -> list[str]:
        """All values of ``name``."""
        return self._values(name.lower())

    def get_all(self) -> Iterator[tuple[str, str]]:
        """All fields, names as they came."""
        return iter(self._pairs)
