"""Judge a JSON value by a vendor's own type definition: the TypedDict or pydantic class of its official client.

Laws: a field that the type does not know, a missing required one, a value of another type and a tag that no member of
a union has are ``Refused``, with the place in the vendor's manner (``messages[0].content[1]``). Unions are chosen by
their literal fields (``type``, ``role``), as the vendors do. Knows no vendor: what types cannot say stands in the judges.
"""

from __future__ import annotations

import enum
import functools
import inspect
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import typing_extensions
from pydantic import BaseModel

_SIMPLE: dict[Any, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    float: (int, float),
    bytes: (str,),  # base64 on the wire
    dict: (dict,),
    list: (list,),
}


class Refused(Exception):
    """A request that the vendor answers with an error: the words, the place, and the status."""

    def __init__(self, words: str, at: str = "", status: int = 400) -> None:
        super().__init__(words)
        self.at, self.status = at, status


def need(sound: bool, words: str, at: str = "") -> None:
    """Raise ``Refused`` unless ``sound``."""
    if not sound:
        raise Refused(words, at)


def check(value: Any, kind: Any, at: str = "") -> None:
    """Raise ``Refused`` unless ``value`` is of the type ``kind``."""
    kind = bare(kind)
    origin = typing.get_origin(kind)
    if kind in (Any, object, None.__class__) or isinstance(kind, typing.TypeVar):
        need(kind is not type(None) or value is None, f"Invalid type for '{at}': expected null.", at)
    elif origin in (typing.Union, types.UnionType):
        _union(value, typing.get_args(kind), at)
    elif origin is typing.Literal:
        words = (
            f"Invalid value: {value!r}. Supported values are: {', '.join(map(repr, typing.get_args(kind)))}."
        )
        need(value in typing.get_args(kind), f"{words} ('{at}')", at)
    elif is_record(kind):
        _record(value, kind, at)
    elif inspect.isclass(origin) and issubclass(origin, Mapping):
        _of(value, dict, at)
        for name, inner in value.items():
            check(inner, typing.get_args(kind)[1], f"{at}.{name}")
    elif (inspect.isclass(origin) and issubclass(origin, Iterable)) or "SequenceNotStr" in str(origin):
        _of(value, list, at)
        for place, inner in enumerate(value):
            check(inner, typing.get_args(kind)[0], f"{at}[{place}]")
    elif inspect.isclass(kind) and issubclass(kind, enum.Enum):
        allowed = {str(one.value).upper() for one in kind}
        need(
            isinstance(value, str) and value.upper() in allowed,
            f"Invalid value at '{at}' (TYPE_ENUM), {value!r}",
            at,
        )
    elif kind is bool:
        _of(value, bool, at)
    else:
        for one in _SIMPLE.get(kind, (object,)):
            if isinstance(value, one) and not (isinstance(value, bool) and kind in (int, float)):
                return
        raise Refused(f"Invalid type for '{at}': got {type(value).__name__}.", at)


def bare(kind: Any) -> Any:
    """The type without ``Annotated``, ``Required`` and the like."""
    while True:
        origin = typing.get_origin(kind)
        if origin is typing.Annotated or origin in (
            typing_extensions.Required,
            typing_extensions.NotRequired,
        ):
            kind = typing.get_args(kind)[0]
        elif isinstance(kind, typing_extensions.TypeAliasType):
            kind = kind.__value__
        else:
            return kind


def is_record(kind: Any) -> bool:
    """Whether it is a TypedDict or a pydantic class."""
    return typing_extensions.is_typeddict(kind) or (inspect.isclass(kind) and issubclass(kind, BaseModel))


@functools.cache
def fields(kind: Any) -> dict[str, tuple[Any, bool]]:
    """The fields as they stand on the wire: type, and whether it must be there."""
    if not typing_extensions.is_typeddict(kind):
        found = kind.model_fields.items()
        return {field.alias or name: (field.annotation, field.is_required()) for name, field in found}
    hints = typing_extensions.get_type_hints(kind, include_extras=True)
    return {
        _alias(hint) or name: (bare(hint), name in kind.__required_keys__ or "Required[" in str(hint)[:80])
        for name, hint in hints.items()
    }


def _alias(hint: Any) -> str | None:
    for note in getattr(hint, "__metadata__", ()):
        if alias := getattr(note, "alias", None):
            return str(alias)
    inner = typing.get_args(hint)
    wrapped = typing.get_origin(hint) in (typing_extensions.Required, typing_extensions.NotRequired)
    return _alias(inner[0]) if wrapped else None


def tags(kind: Any, name: str) -> tuple[Any, ...]:
    """The literal values that a record's field may have; none, if the field is not literal."""
    found = bare(fields(kind).get(name, (None, False))[0])
    if typing.get_origin(found) in (typing.Union, types.UnionType):
        inner = [bare(one) for one in typing.get_args(found)]
        found = next((one for one in inner if typing.get_origin(one) is typing.Literal), None)
    return typing.get_args(found) if typing.get_origin(found) is typing.Literal else ()


def members(kind: Any) -> list[Any]:
    """The members of a union, unions inside of it opened; one, if it is none."""
    kind = bare(kind)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [one for inner in typing.get_args(kind) for one in members(inner)]
    return [kind]


def camel(name: str) -> str:
    """The name as Google's JSON has it."""
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def _of(value: Any, kind: type, at: str) -> None:
    words = {dict: "an object", list: "an array", bool: "a boolean"}[kind]
    need(
        isinstance(value, kind),
        f"Invalid type for '{at}': expected {words}, but got {type(value).__name__}.",
        at,
    )


def _record(value: Any, kind: Any, at: str) -> None:
    _of(value, dict, at)
    known = fields(kind)
    for name, inner in value.items():
        here = f"{at}.{name}" if at else name
        key = (
            name if name in known or typing_extensions.is_typeddict(kind) else camel(name)
        )  # protobuf takes both
        need(key in known, f"Unknown parameter: '{here}'.", here)
        check(inner, known[key][0], here)
    for name, (_, required) in known.items():
        need(not required or name in value, f"Missing required parameter: '{at}.{name}'.", f"{at}.{name}")


def _union(value: Any, kinds: tuple[Any, ...], at: str) -> None:
    """The one member that the literal fields of the value choose; among several, any that takes it."""
    choices = [one for kind in kinds for one in members(kind)]
    if isinstance(value, dict):
        records = [one for one in choices if is_record(one)]
        if any(typing_extensions.is_typeddict(one) for one in records):
            records = [one for one in records if typing_extensions.is_typeddict(one)]
        chosen = [one for one in records if _tagged(value, one)]
        told = {name: value[name] for name in ("type", "role") if name in value}
        need(
            bool(chosen) or not records,
            f"Invalid value: {told or sorted(value)} at '{at}' is none of the known.",
            at,
        )
        maps = [one for one in choices if not is_record(one) and _is_map(one)]
        choices = [*chosen, *maps] or choices
    failures: list[Refused] = []
    for one in choices:
        try:
            check(value, one, at)
        except Refused as refused:
            failures.append(refused)
        else:
            return
    raise max(failures, key=lambda refused: len(refused.at))  # the member that understood most of it


def _is_map(kind: Any) -> bool:
    origin = typing.get_origin(kind) or kind
    return inspect.isclass(origin) and issubclass(origin, Mapping)


def _tagged(value: dict[str, Any], kind: Any) -> bool:
    for name in ("type", "role"):
        allowed = tags(kind, name)
        required = fields(kind).get(name, (None, False))[1]
        if allowed and (value[name] not in allowed if name in value else required):
            return False
    return True
