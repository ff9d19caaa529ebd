"""The values of OpenAI's API: what is refused about their types, and in which words. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Refused(Exception):
    """A 400 with OpenAI's ``message``, ``param`` and ``code``."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}


Check = Callable[[str, Any], None]


def is_a(kind: str, *types: type) -> Check:
    def check(param: str, value: Any) -> None:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            message = f"Invalid type for '{param}': expected {kind}, but got {type(value).__name__} instead."
            raise Refused(message, param, "invalid_type")

    return check


integer, decimal = is_a("an integer", int), is_a("a decimal", int, float)
boolean, string = is_a("a boolean", bool), is_a("a string", str)
object_, array = is_a("an object", dict), is_a("an array of objects", list)


def one_of(*allowed: str) -> Check:
    def check(param: str, value: Any) -> None:
        string(param, value)
        if value not in allowed:
            listed = ", ".join(f"'{item}'" for item in allowed)
            raise Refused(
                f"Invalid value: '{value}'. Supported values are: {listed}.", param, "invalid_value"
            )

    return check
