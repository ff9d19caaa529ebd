"""Settings as the text of their form: JSON, TOML, YAML, ``NAME=value``. Only what the programs' settings are made of is known here."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from llm_proxy.faces.programs.values import Form

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_WORDS = frozenset(("true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan"))


def text_of(form: Form, content: Mapping[str, Any] | list[Any]) -> str:
    """The whole text, with a line's end."""
    if form == "json":
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    if form == "yaml":
        return "\n".join(yaml_lines(content)) + "\n"
    assert isinstance(content, Mapping)
    if form == "env":
        return "".join(f"{name}={env_value(value)}\n" for name, value in content.items())
    return "\n".join(toml_lines(content)) + "\n"


def exports(values: Mapping[str, str]) -> str:
    """For a shell."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def env_value(value: str) -> str:
    """A value of a ``.env`` file: in quotes where it needs them."""
    return value if re.fullmatch(r"[^\s\"'#$`\\]+", value) else json.dumps(value, ensure_ascii=False)


def scalar(value: Any) -> str:
    """As TOML, JSON and YAML all write it."""
    return json.dumps(value, ensure_ascii=False)


def toml_key(key: str) -> str:
    """Bare where that is allowed."""
    return key if _BARE.fullmatch(key) else scalar(key)


def toml_lines(content: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[str]:
    """Values first, then a table for each mapping."""
    lines = [
        f"{toml_key(name)} = {_inline(value)}"
        for name, value in content.items()
        if not isinstance(value, Mapping) or name.startswith("env_")
    ]
    for name, value in content.items():
        if isinstance(value, Mapping) and not name.startswith("env_"):
            here = (*path, name)
            inner = toml_lines(value, here)
            head = [] if _only_tables(value) else [f"[{'.'.join(map(toml_key, here))}]"]
            lines += ([""] if lines and inner[0] else []) + head + inner
    return lines


def _only_tables(value: Mapping[str, Any]) -> bool:
    return bool(value) and all(isinstance(inner, Mapping) for inner in value.values())


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return (
            "{ " + ", ".join(f"{toml_key(name)} = {_inline(inner)}" for name, inner in value.items()) + " }"
        )
    return scalar(value)


def yaml_lines(content: Any, indent: int = 0) -> list[str]:
    """Blocks; a list stands two columns in."""
    space = " " * indent
    lines: list[str] = []
    if isinstance(content, Mapping):
        for name, value in content.items():
            if isinstance(value, (Mapping, list)) and value:
                lines += [f"{space}{_yaml(name)}:", *yaml_lines(value, indent + 2)]
            else:
                lines.append(f"{space}{_yaml(name)}: {_yaml(value)}")
        return lines
    for value in content:
        inner = (
            yaml_lines(value, indent + 2)
            if isinstance(value, (Mapping, list))
            else [f"{space}  {_yaml(value)}"]
        )
        lines += [f"{space}- {inner[0][indent + 2 :]}", *inner[1:]]
    return lines


def _yaml(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return scalar(value)
