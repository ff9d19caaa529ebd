"""``docs/reference/settings.md``, from ``llm_proxy.settings.Settings``. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llm_proxy.settings import KEY_VARIABLE, PREFIX, Settings
from scripts.reference.tables import code, generated, table

_INTRO = f"""
Every setting of `llm-proxy serve`: an environment variable, or a flag of the same name. What each is for, by theme and with the variables of other programs that are
obeyed too, stands in [The settings](../settings.md).

An empty variable counts as not set. A wrong value ends the start with exit status 2 and a sentence that says what is allowed. A variable that begins with `{PREFIX}` and is
none of these is a warning, with the nearest one that is. `{KEY_VARIABLE}` is no setting of the service: it is the key with which the commands ask a running gateway.
"""


def _default(value: Any) -> str:
    if value in (None, "", ()):
        return ""
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, tuple):
        return code(",".join(value))
    if isinstance(value, float):
        return code(f"{value:g}")
    return code(value.as_posix() if isinstance(value, Path) else value)


def page() -> str:
    """The text of the page."""
    rows = []
    for name, field in Settings.model_fields.items():
        flag = (
            "" if name == "minimum" else f"<br>{code('--' + name.replace('_', '-'))}"
        )  # the command itself says it
        rows.append((code(PREFIX + name.upper()) + flag, _default(field.default), field.description or ""))
    head = ("variable, flag", "default", "what is allowed")
    return generated("Reference: settings", "llm_proxy/settings.py", _INTRO) + "\n" + table(head, rows)
