"""access.json: from bytes to ``Access``, or to the list of everything that is wrong with it.

Laws: pure; problems are reported together, each with line, column, path and what is allowed; no hash and no other value of
the document is ever part of one; an input either loads or raises ``ConfigError``, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from llm_proxy.live.access.fields import SECTIONS, BudgetFields, Key, PriceFields, TeamFields, rolling
from llm_proxy.live.access.rows import KeyRows, whole
from llm_proxy.live.access.terms import (
    LONGEST,
    TermsMaker,
    budgets_of,
    is_comment,
    limits_of,
    models_of,
    without_comments,
)
from llm_proxy.live.access.values import KINDS, Access, Budget, Price, Team, Terms
from llm_proxy.live.config.checks import name as judged_name
from llm_proxy.live.config.report import ConfigError, ConfigProblem, Report, did_you_mean, located, path_text
from llm_proxy.live.files import half_written
from llm_proxy.wire.json_members import Unusual
from llm_proxy.wire.json_scan import JsonProblem, Path, scan
from llm_proxy.wire.strict_json import decode, parse_object

#: A hundred thousand keys are some 20 MB of about a million values.
MAX_BYTES = 64 * 1024 * 1024
_MOST_VALUES = 4_000_000


def load_access(data: bytes, source: str, before: Access | None = None) -> Access:
    """What ``data`` says; ``source`` is the name of the file for messages. ``before``: what it said before an edit; what that has left alone is
    taken over. Raises ``ConfigError`` with its problems."""
    if len(data) > MAX_BYTES:
        raise ConfigError([ConfigProblem("", 1, 1, f"larger than {MAX_BYTES} bytes")], source)
    try:
        return _by_rows(data, before)
    except Unusual:
        return _whole(data, source)


def is_whole(data: bytes, before: Access | None = None) -> bool:
    """Whether ``data`` keeps the grammar of JSON, as a file does not that is still being written."""
    return whole(data, before, _MOST_VALUES) or not half_written(data)


def _by_rows(data: bytes, before: Access | None) -> Access:
    """Of a sound file. Raises ``Unusual``."""
    rows = KeyRows(data, before, _MOST_VALUES)
    report = Report()
    found = _Judge(report).access(rows.rest)
    if report.problems or rows.teams - found.teams.keys() or rows.budgets - found.budgets.keys():
        raise Unusual
    return replace(found, keys=rows.found, kept=rows.kept)


def _whole(data: bytes, source: str) -> Access:
    """Of any file. Raises ``ConfigError``."""
    try:
        document = parse_object(data, _MOST_VALUES)
    except JsonProblem as problem:
        fault = ConfigProblem(path_text(problem.path), problem.line, problem.column, problem.message)
        raise ConfigError([fault], source) from None
    report = Report()
    found = _Judge(report).access(document)
    if report.problems:
        text = decode(data)
        problems = located(report.problems, text, scan(text))
        raise ConfigError(sorted(problems, key=lambda p: (p.line, p.column)), source)
    return found


class _Judge:
    """One document."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._maker = TermsMaker()

    def access(self, document: dict[str, Any]) -> Access:
        for name in document:
            if name not in SECTIONS and not is_comment(name):
                text = f"unknown section, known are {', '.join(SECTIONS)}{did_you_mean(name, SECTIONS)}"
                self._report.problem((name,), text, at_key=True)
        budgets = {name: _budget(name, row) for name, row in self._rows(document, "budgets", BudgetFields)}
        prices = {
            name: Price(row.input, row.output, row.cache_read, row.cache_write)
            for name, row in self._rows(document, "prices", PriceFields)
        }
        models = {
            name: row.limits.found()
            for name, row in self._rows(document, "models", SECTIONS["models"])
            if row.limits is not None
        }
        teams: dict[str, Team] = {}
        for name, row in self._rows(document, "teams", TeamFields):
            self._known(("teams", name, "budgets"), row.budgets, _names(document, "budgets"))
            teams[name] = Team(models_of(row), limits_of(row), budgets_of(row), bool(row.passthrough))
        keys: dict[bytes, tuple[str, Terms]] = {}
        known = _names(document, "teams"), _names(document, "budgets")
        for name, key in self._rows(document, "keys", Key):
            self._key(name, key, keys, *known)
        return Access(keys, teams, models, budgets, prices)

    def _key(
        self,
        name: str,
        row: Key,
        keys: dict[bytes, tuple[str, Terms]],
        teams: Mapping[str, Any],
        budgets: Mapping[str, Any],
    ) -> None:
        path: Path = ("keys", name)
        if row.team is not None and row.team not in teams:
            self._report.problem((*path, "team"), f"there is no such team{did_you_mean(row.team, teams)}")
        self._known((*path, "budgets"), row.budgets, budgets)
        entry = name, self._maker.of(row)
        for digest in row.hash:
            if digest in keys:
                self._report.problem((*path, "hash"), "the same hash stands twice in the file")
            keys[digest] = entry

    def _known(self, path: Path, names: list[str] | None, known: Mapping[str, Any]) -> None:
        for at, name in enumerate(names or ()):
            if name not in known:
                self._report.problem((*path, at), f"there is no such budget{did_you_mean(name, known)}")

    def _rows(
        self, document: dict[str, Any], section: str, model: type[BaseModel]
    ) -> Iterator[tuple[str, Any]]:
        """The sound rows of a section."""
        rows = document.get(section, {})
        if not isinstance(rows, dict):
            self._report.problem((section,), "must be an object")
            return
        for name, row in rows.items():
            if is_comment(name):
                continue
            try:
                judged_name(name, limit=LONGEST)
            except ValueError as error:
                self._report.problem((section, name), str(error), at_key=True)
            try:
                yield name, model.model_validate(without_comments(row))
            except ValidationError as error:
                for detail in error.errors(include_input=False, include_url=False, include_context=False):
                    path, message, at_key = _finding(model, detail["loc"], detail["type"], detail["msg"])
                    self._report.problem((section, name, *path), message, at_key=at_key)


def _finding(model: type[BaseModel], loc: Path, kind: str, message: str) -> tuple[Path, str, bool]:
    if kind == "extra_forbidden":
        fields = KINDS if len(loc) > 1 else tuple(model.model_fields)
        word = str(loc[-1])
        return loc, f"unknown field, known are {', '.join(fields)}{did_you_mean(word, fields)}", True
    if loc and loc[-1] == "[key]":
        return loc[:-1], message, True
    if kind == "missing":
        return loc, "is required", False
    return loc, _WORDS.get(kind) or message.replace("Input should be ", "must be "), False


_WORDS = {
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "float_type": "must be a number",
    "list_type": "must be a list of names",
    "model_type": "must be an object",
    "string_type": "must be a string",
}


def _names(document: dict[str, Any], section: str) -> dict[str, Any]:
    """The names in a section, of unsound rows too: what refers to one is not wrong besides."""
    found = document.get(section)
    return found if isinstance(found, dict) else {}


def _budget(name: str, row: BudgetFields) -> Budget:
    return Budget(
        name,
        round(row.usd * 1_000_000),
        row.per,
        rolling(row.per),
        row.zone or "UTC",
        tuple(sorted(row.warn or ())),
        row.scope == "each",
        row.unpriced or "deny",
    )
