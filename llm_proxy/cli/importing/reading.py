"""A source's text as values: YAML by PyYAML (the extra ``import``), JSON also with comments."""

from __future__ import annotations

import json
from typing import Any

from llm_proxy.cli.merging.json_text import bare

#: Deeper than any configuration, and values of more than any: aliases of YAML can make millions of a line.
_MOST_DEPTH, _MOST_VALUES = 50, 100_000


class SourceError(Exception):
    """The source cannot be read; the text is one line, and shows nothing of it."""


def read_json(text: str) -> Any:
    """JSON, with comments or not. Raises ``SourceError``."""
    try:
        return _Plain().of(json.loads(bare(text)[0]))
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise SourceError(f"is not JSON{where}") from None


def read_yaml(text: str) -> Any:
    """YAML; JSON is read as well, without PyYAML. Raises ``SourceError``."""
    if text.lstrip().startswith("{"):
        try:
            return read_json(text)
        except SourceError:
            pass  # a mapping in YAML's short form
    try:
        import yaml
    except ImportError:
        raise SourceError("is YAML, and reading that needs: pip install 'llm-proxy-api[import]'") from None
    try:
        return _Plain().of(yaml.safe_load(text))
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise SourceError(f"is not YAML{where}") from None


class _Plain:
    """Keys as texts, dates as texts: what YAML has and JSON has not. Its aliases can make millions of values of a line, so they are counted."""

    def __init__(self) -> None:
        self.left = _MOST_VALUES

    def of(self, value: Any, depth: int = 0) -> Any:
        """The value. Raises ``SourceError`` if there is too much of it."""
        self.left -= 1
        if self.left < 0:
            raise SourceError(f"has more than {_MOST_VALUES} values")
        if depth > _MOST_DEPTH:
            raise SourceError(f"is nested deeper than {_MOST_DEPTH} levels")
        if isinstance(value, dict):
            return {str(key): self.of(member, depth + 1) for key, member in value.items()}
        if isinstance(value, (list, tuple, set)):
            return [self.of(member, depth + 1) for member in value]
        return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)
