"""models-config.json: from bytes to deployments, or to the list of everything that is wrong with it.

Laws: pure but for the injected ``read_file``; problems are reported together (the first of them, and a count), each with line, column, path and
what is allowed; no value of the document, the environment or a secret file is ever part of one; an input either
loads or raises ``ConfigError``, nothing else. What the file means is in ``fields``, ``rows``
(defaults and merging) and ``models_section`` (``$models``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llm_proxy.live.config.additions import NONE, with_additions
from llm_proxy.live.config.models_section import read_names, split_reserved
from llm_proxy.live.config.pem_files import FIELDS, read_pem_files
from llm_proxy.live.config.placeholders import Placeholders, ReadFile, UnresolvedError
from llm_proxy.live.config.public_names import MODELS, Names
from llm_proxy.live.config.references import check_names
from llm_proxy.live.config.report import (
    ApiType,
    Config,
    ConfigError,
    ConfigProblem,
    Report,
    located,
    path_text,
)
from llm_proxy.live.config.rows import build_rows
from llm_proxy.wire.json_scan import NO_COMMENTS, JsonProblem, Path, Scan, problem_at, scan
from llm_proxy.wire.strict_json import decode, parse_object

__all__ = ["MAX_BYTES", "ApiType", "Config", "ConfigError", "ConfigProblem", "load_config"]

#: 5,000 models make about 1 MB.
MAX_BYTES = 16 * 1024 * 1024

#: Whether a document may name any.
_PEM = re.compile("|".join(FIELDS))


def load_config(
    data: bytes,
    *,
    source: str,
    api_types: Mapping[str, ApiType],
    env: Mapping[str, str],
    read_file: ReadFile,
    max_total: float | None,
    previous: Config | None = None,
    added: bytes = NONE,
) -> Config:
    """The configuration in ``data``. Raises ``ConfigError`` with its problems.

    ``source`` is the name of the file for messages. ``read_file`` takes an absolute path and returns its bytes or
    raises ``OSError``. ``max_total`` (seconds) is the upper bound of an upstream call, if there is one. ``previous`` saves work and
    changes no result. ``added`` is what ``additions.written`` has made: providers that are served beside those of ``data``.
    """
    text, document, faults, positions = _read(data, source)
    placeholders = Placeholders(env, read_file)
    report, names = Report(), Names()
    if isinstance(document, dict):
        if added:
            document = with_additions(document, added)
        if "$" in text or "\\u" in text or added:
            document = _Cleaner(placeholders, report).members(document, ())
        document, reserved = split_reserved(document, report)
        last = previous.built if previous else {}
        pem = read_pem_files(document, placeholders, report) if _PEM.search(text) else {}
        deployments, providers, built = build_rows(document, api_types, report, max_total, last, pem)
        if MODELS in reserved:
            names = read_names(reserved[MODELS], report)
            check_names(names, document, deployments, report)
    files = tuple(sorted(placeholders.files))
    if report.problems or report.warnings:
        positions = positions or scan(text)
    if faults or report.problems:
        assert positions is not None
        problems = faults + located(report.problems, text, positions)
        raise ConfigError(sorted(problems, key=lambda p: (p.line, p.column)), source, files)
    rows = (*deployments, *(row for row in providers.values() if row is not None))
    return Config(
        deployments=deployments,
        providers=providers,
        warnings=tuple(located(report.warnings, text, positions)) if positions else (),
        secret_files=files,
        uses_demo=any(row.api_type == "demo" for row in rows),
        names=names,
        built=built,
    )


def _read(data: bytes, source: str) -> tuple[str, Any, list[ConfigProblem], Scan | None]:
    """Text, value, faults of the text, and positions if they had to be found. With faults that leave the shape of the
    text intact there is a value nevertheless, so that the rest can be checked too."""
    if len(data) > MAX_BYTES:
        raise ConfigError([ConfigProblem("", 1, 1, f"larger than {MAX_BYTES} bytes")], source)
    try:
        text = decode(data)
        if "\0" in text:
            raise problem_at(text, text.index("\0"), "a NUL byte is not text")
    except JsonProblem as problem:
        raise ConfigError([_problem(problem)], source) from None
    try:
        return text, parse_object(data), [], None
    except JsonProblem as problem:
        first = problem
    positions = scan(text)
    faults = [_problem(fault) for fault in positions.problems or [first]]
    if not isinstance(positions.value, dict) or not positions.problems:
        raise ConfigError(faults, source)
    return text, positions.value, faults, positions


def _problem(fault: JsonProblem) -> ConfigProblem:
    message = fault.message
    if message == NO_COMMENTS:
        message += '; use a key that begins with "$comment"'
    return ConfigProblem(path_text(fault.path), fault.line, fault.column, message)


class _Cleaner:
    """Takes ``$schema`` and ``$comment...`` out at any depth and fills the placeholders."""

    def __init__(self, placeholders: Placeholders, report: Report) -> None:
        self.placeholders = placeholders
        self.report = report

    def members(self, value: dict[str, Any], path: Path) -> dict[str, Any]:
        return {key: self.value(item, (*path, key)) for key, item in value.items() if not _is_comment(key)}

    def value(self, value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            return self.members(value, path)
        if isinstance(value, list):
            return [self.value(item, (*path, index)) for index, item in enumerate(value)]
        if isinstance(value, str):
            try:
                return self.placeholders.fill(value)
            except UnresolvedError as error:
                self.report.problem(path, str(error))
        return value


def _is_comment(key: str) -> bool:
    return key == "$schema" or key.startswith("$comment")
