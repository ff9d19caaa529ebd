"""A document of a stranger against a pydantic model: the verdict, and what is told of it.

Laws: the cost of a refusal is bounded, whatever is wrong how often. pydantic builds all it finds, so lists are judged up to
their first wrong item; only then those of the outermost level in slices, of which the first findings are built and the rest
are counted. Findings are in words of JSON, with the path of the place, and never with a value of the document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, SchemaValidator

from llm_proxy.errors import MAX_PROBLEMS, InvalidRequest, Problem, cut

M = TypeVar("M", bound=BaseModel)

#: A document of no more values than this is judged whole a second time: all that is wrong with it is told and counted.
_FEW = 2000
#: How many items of a list are judged at once. Each wrong one costs about 0.6 us, and 4 us more if it is told.
_SLICE = 200
_MAX_KEY = 60
#: More fields than any model has that knows all of its own.
_MANY_NAMES = 200


def validated(model: type[M], data: Mapping[str, Any]) -> M:
    """``data`` as ``model``. Raises ``InvalidRequest`` with the first problems; no input value is ever part of it."""
    if len(data) > _MANY_NAMES and model.model_config.get("extra") == "forbid":
        raise _unknown(model, data)
    try:
        found: M = _validator(model, 0).validate_python(data)
        return found
    except ValidationError as error:
        raise _refusal(model, data, error) from None


@cache  # of our own classes
def _validator(model: type[BaseModel], patient: int) -> Any:
    """The model's validator, in which lists end at their first wrong item: but for the outer ``patient`` levels of lists."""
    schema = _impatient(model.__pydantic_core_schema__, patient, 0)
    try:
        return SchemaValidator(schema, _use_prebuilt=False)
    except TypeError:  # before pydantic 2.12
        return SchemaValidator(schema)


def _impatient(schema: Any, patient: int, depth: int) -> Any:
    """A copy of a core schema that fails fast in lists; ``depth``: in how many models it stands."""
    if isinstance(schema, list):
        return [_impatient(item, patient, depth) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    fast = {}
    if kind in ("list", "set", "frozenset"):
        fast = {} if patient else {"fail_fast": True}
        patient = max(0, patient - 1)
    elif kind == "model":
        patient, depth = (0 if depth else patient), depth + 1
    return {
        name: value if name == "metadata" else _impatient(value, patient, depth)
        for name, value in schema.items()
    } | fast


def _refusal(model: type[BaseModel], data: Mapping[str, Any], error: ValidationError) -> InvalidRequest:
    """What is told of ``data``, in which ``error`` was found first."""
    findings = _Findings()
    if _few(data):
        try:
            model.model_validate(data)
        except ValidationError as whole:
            findings.note(whole)
    else:
        _judge_in_slices(model, data, findings)
    if not findings.problems:
        findings.note(error)
    return InvalidRequest.of(findings.problems, findings.more)


def _few(data: Mapping[str, Any]) -> bool:
    """Whether ``data`` holds few values."""
    left = _FEW
    waiting: list[Any] = [data]
    while waiting and left > 0:
        value = waiting.pop()
        left -= len(value)
        if left > 0:
            inner = value.values() if isinstance(value, Mapping) else value
            waiting += [item for item in inner if isinstance(item, Mapping | list)]
    return left > 0


def _judge_in_slices(model: type[BaseModel], data: Mapping[str, Any], findings: _Findings) -> None:
    validator = _validator(model, 1)
    long = {
        name: value for name, value in data.items() if isinstance(value, list | dict) and len(value) > _SLICE
    }
    missing = _missing(validator)
    rest = {name: value for name, value in data.items() if name not in long}
    _judge(validator, rest, findings, ignored=missing & long.keys())
    for name, value in long.items():
        for start, part in _slices(value):
            _judge(validator, {name: part}, findings, ignored=missing - {name}, within=name, shift=start)


def _missing(validator: Any) -> frozenset[str]:
    """What an empty object lacks."""
    try:
        validator.validate_python({})
    except ValidationError as error:
        return frozenset(
            str(detail["loc"][0])
            for detail in error.errors(include_input=False, include_url=False)
            if detail["loc"]
        )
    return frozenset()


def _slices(value: Any) -> Iterator[tuple[int, Any]]:
    if isinstance(value, dict):
        names = iter(value)
        while part := {name: value[name] for name in islice(names, _SLICE)}:
            yield 0, part
    else:
        for start in range(0, len(value), _SLICE):
            yield start, value[start : start + _SLICE]


def _judge(
    validator: Any,
    data: Mapping[str, Any],
    findings: _Findings,
    *,
    ignored: frozenset[str],
    within: str = "",
    shift: int = 0,
) -> None:
    """Note what is wrong with ``data``, but for the fields that it lacks because they are judged elsewhere."""
    try:
        validator.validate_python(data)
    except ValidationError as error:
        findings.note(error, ignored, within, shift)


class _Findings:
    """The first problems, and how many more there are."""

    def __init__(self) -> None:
        self.problems: dict[Problem, None] = {}
        self.more = 0

    def note(
        self, error: ValidationError, ignored: frozenset[str] = frozenset(), within: str = "", shift: int = 0
    ) -> None:
        """What ``error`` found; items of the list ``within`` are those from number ``shift`` on."""
        if len(self.problems) >= MAX_PROBLEMS:
            self.more += max(0, error.error_count() - len(ignored))
            return
        for detail in error.errors(include_input=False, include_url=False):
            loc = detail["loc"]
            if len(loc) == 1 and loc[0] in ignored and detail["type"] == "missing":
                continue
            found = _problem(detail, within, shift)
            if len(self.problems) < MAX_PROBLEMS:
                self.problems[found] = None
            elif found not in self.problems:
                self.more += 1


def _problem(detail: ErrorDetails, within: str, shift: int) -> Problem:
    """A pydantic finding in our words: a JSON path, and what is allowed there. Our own findings may say in their
    context at which field or index of the value they are."""
    context = detail.get("ctx", {})
    place = [*detail["loc"], context["at"]] if "at" in context else [*detail["loc"]]
    if shift and len(place) > 1 and place[0] == within and isinstance(place[1], int):
        place[1] += shift
    words = _WORDS.get(detail["type"])
    message = words.format_map(context) if words else detail["msg"]
    return Problem(".".join(cut(str(step), _MAX_KEY) for step in place), message[:1].lower() + message[1:])


def _unknown(model: type[BaseModel], data: Mapping[str, Any]) -> InvalidRequest:
    """More names than there can be: pydantic would build a finding for each of those that the model does not know."""
    unknown = [name for name in data if name not in model.model_fields]
    return InvalidRequest.of(Problem(cut(name, _MAX_KEY), _FORBIDDEN) for name in unknown)


_FORBIDDEN = "extra inputs are not permitted"


#: Pydantic's own texts speak of Python; these speak of JSON.
_WORDS: Mapping[str, str] = {
    "missing": "is required",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "float_type": "must be a number",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
}
