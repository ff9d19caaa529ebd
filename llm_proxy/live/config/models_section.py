"""``$models``: from its rows to the policies and aliases of public names.

Laws: a row's fields are laid over those of ``"*"``, key by key, where it is not an alias. What is wrong goes to the report,
with its place; no finding holds a value of the document. Names that rows, aliases and fallbacks mean are judged in
``references``. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from llm_proxy.live.config import checks
from llm_proxy.live.config.fields import model_findings
from llm_proxy.live.config.merge import patched
from llm_proxy.live.config.name_fields import NameRow
from llm_proxy.live.config.public_names import ALL, MODELS, Names
from llm_proxy.live.config.report import Report, did_you_mean, one_of
from llm_proxy.wire.policies import DEFAULT_CONDITIONS, Fallback, Hedge, ModelPolicy, QueuePolicy

#: The keys of a document that are not providers.
RESERVED = (MODELS,)


def split_reserved(document: dict[str, Any], report: Report) -> tuple[dict[str, Any], dict[str, Any]]:
    """The providers of ``document``, and its reserved keys. Any other key that begins with ``$`` is a problem."""
    reserved = {key: value for key, value in document.items() if key.startswith("$")}
    if not reserved:
        return document, {}
    for key in reserved.keys() - set(RESERVED):
        known = one_of((*RESERVED, "$schema", "$comment..."))
        text = f"keys that begin with $ are reserved, known are {known}{did_you_mean(key, RESERVED)}"
        report.problem((key,), text, at_key=True)
    return {key: value for key, value in document.items() if key not in reserved}, reserved


def read_names(value: Any, report: Report) -> Names:
    """The rows of ``value``, those that are sound."""
    if not isinstance(value, dict):
        report.problem((MODELS,), "must be an object that maps public names to their fields")
        return Names()
    for key, row in value.items():
        _check(key, row, report)
    # Whoever found it: a value that the environment could not fill in was told of before, at the same place.
    unsound = {path[1] for path in report.problems if len(path) > 1 and path[0] == MODELS}
    rows = {key: row for key, row in value.items() if key not in unsound}
    common = rows.get(ALL, {})
    aliases = {key: row["alias"] for key, row in rows.items() if row.get("alias") is not None}
    policies = {key: _policy(_over(common, row)) for key, row in rows.items() if key not in aliases}
    return Names(MappingProxyType(rows), MappingProxyType(policies), MappingProxyType(aliases))


def _check(key: str, row: Any, report: Report) -> None:
    path = (MODELS, key)
    try:
        checks.name(key)
    except ValueError as error:
        report.problem(path, f"this name {error}", at_key=True)
    if not isinstance(row, dict):
        report.problem(path, "must be an object of fields")
        return
    for below, message, at_key in model_findings(NameRow, row):
        report.problem((*path, *below), message, at_key=at_key)
    if row.get("alias") is not None:
        if key == ALL:
            text = f'"{ALL}" says what holds for all models, and cannot be an alias'
            report.problem((*path, "alias"), text, at_key=True)
        for other in row.keys() - {"alias"}:
            report.problem((*path, other), 'has no meaning beside "alias"', at_key=True)


def _over(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """``own`` over ``common``; null stays, because it can mean that there is none."""
    merged = {**common, **own}
    for name, value in own.items():
        below = common.get(name)
        if isinstance(value, dict) and isinstance(below, dict):
            merged[name] = patched(below, value)
    return merged


def _policy(fields: Mapping[str, Any]) -> ModelPolicy:
    """The policy of sound ``fields``."""
    row = NameRow.model_validate(fields)
    given: dict[str, Any] = {
        "policy": row.policy,
        "retries": row.retries,
        "affinity": row.affinity,
        "on_break": row.on_break,
    }
    if row.fallbacks is not None:
        given["fallbacks"] = tuple(
            Fallback(item.model, frozenset(item.on) if item.on else DEFAULT_CONDITIONS)
            for item in row.fallbacks
        )
    if row.queue is not None:
        given["queue"] = QueuePolicy(**row.queue.model_dump(exclude_none=True))
    if row.hedge is not None:
        given["hedge"] = Hedge(**row.hedge.model_dump(exclude_none=True))
    given = {name: value for name, value in given.items() if value is not None}
    if "queue" in fields and row.queue is None:
        given["queue"] = None
    return ModelPolicy(**given)
