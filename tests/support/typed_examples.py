"""Values for the types of a vendor's own client: one for each way in which a type can be filled.

Pure. Every text in a value is a mark that no other text has, so that a test can look where it went.
"""

from __future__ import annotations

import types
import typing
import zlib
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin

from typing_extensions import ReadOnly, is_typeddict

#: How deep the types are followed: some of them hold themselves.
_DEEPEST = 6


def members(union: Any) -> list[Any]:
    """The types of a union, those of unions in it too, without annotations."""
    hint = _bare(union)
    if get_origin(hint) in (Union, types.UnionType):
        return [inner for member in get_args(hint) for inner in members(member)]
    return [hint]


def literals(hint: Any, field: str) -> tuple[Any, ...]:
    """The values that ``field`` of a type may have, if they are listed."""
    fields = getattr(hint, "model_fields", None)  # of an answer
    found = fields[field].annotation if fields else typing.get_type_hints(hint).get(field)
    return tuple(value for member in members(found) for value in get_args(member))


def examples(hint: Any, path: str = "", depth: int = 0) -> list[Any]:
    """Values of a type: the first has each field, the others each alternative of one field."""
    hint = _bare(hint)
    origin = get_origin(hint)
    if origin is Literal:
        return [get_args(hint)[0]]
    if origin in (Union, types.UnionType):
        alternatives = [member for member in get_args(hint) if member is not type(None)]
        return [examples(member, path, depth)[0] for member in alternatives if _fits(member, depth)] or [None]
    if is_typeddict(hint):
        return list(_objects(hint, path, depth + 1))
    if origin is dict:
        return [{"key": _mark(f"{path}.key")}]
    if origin is not None:  # the lists have many names
        (inner,) = get_args(hint)
        return [examples(inner, path, depth)]
    return [{int: 1, float: 1.0, bool: True}.get(hint, _mark(path))]


def _mark(path: str) -> str:
    """A text that stands nowhere else; it would do as a name, as data and, behind a scheme, as an address."""
    text = f"MARK{zlib.crc32(path.encode()):08x}"
    return f"https://{text}" if path.endswith(".url") else text


def _fits(hint: Any, depth: int) -> bool:
    return depth < _DEEPEST or not is_typeddict(_bare(hint))


def _objects(hint: Any, path: str, depth: int) -> Iterator[dict[str, Any]]:
    fields = typing.get_type_hints(hint)
    choices = {name: examples(inner, f"{path}.{name}", depth) for name, inner in fields.items()}
    first = {name: values[0] for name, values in choices.items() if values}
    yield first
    for name, values in choices.items():
        for other in values[1:]:
            yield {**first, name: other}


def _bare(hint: Any) -> Any:
    while get_origin(hint) in (Annotated, Required, NotRequired, ReadOnly):
        hint = get_args(hint)[0]
    return hint


def marks(value: Any, without: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Each mark in a value, with the name of the field that it stands in; ``without`` what stands in some fields."""
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        name, item = stack.pop()
        if isinstance(item, dict):
            stack += [(key, inner) for key, inner in item.items() if key not in without]
        elif isinstance(item, list):
            stack += [(name, inner) for inner in item]
        elif isinstance(item, str) and "MARK" in item:
            yield name, item
