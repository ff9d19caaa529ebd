"""A text and what it is to say besides: JSON (with comments), TOML, YAML, ``NAME=value``.

Laws: what comes out is read again by the format's own reader, and says exactly what stood there and the new settings; else
``MergeError`` is raised and nothing is written. What is there already and equal stays byte for byte, so that a second merge
changes nothing. That check is why the editors of the formats may be small: they know the layouts that people write, and what they do
not know is refused.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping
from typing import Any

from llm_proxy.cli.merging import env_text, json_text, toml_text, yaml_text
from llm_proxy.cli.merging.values import MergeError, merged_value
from llm_proxy.faces.programs.values import File
from llm_proxy.faces.programs.writing import text_of

_EDITORS = {"json": json_text.edited, "toml": toml_text.edited, "yaml": yaml_text.edited}


def merge(text: str | None, file: File, keep_secrets: bool) -> str:
    """``text`` (None: there is no file yet) with ``file.content`` in it. ``keep_secrets``: a key that stands there wins. Raises
    ``MergeError``."""
    if text is None or not text.strip():
        return text_of(file.form, file.content)
    keep: Collection[Any] = (*file.kept, *(file.secret if keep_secrets else ()))
    if file.form == "env":
        assert isinstance(file.content, Mapping)
        return env_text.edited(text, file.content, {str(path[0]) for path in keep})
    old = read(file.form, text)
    if isinstance(old, list) != isinstance(file.content, list):
        raise MergeError("what stands in it is not what the program reads: mend it first")
    wanted = merged_value(old, file.content, file.same, keep)
    if wanted == old:
        return text
    after = _EDITORS[file.form](text, old, wanted)
    try:
        same = read(file.form, after) == wanted
    except MergeError:
        same = False
    if not same:
        raise MergeError("its layout is not one that this command can edit: add the lines by hand")
    return after


def read(form: str, text: str) -> Any:
    """What it says. Raises ``MergeError``."""
    try:
        if form == "json":
            found: Any = json.loads(json_text.bare(text)[0])
        elif form == "toml":
            found = tomllib.loads(text)
        else:
            found = yaml_text.read(text)
            json.dumps(found, default=str)  # an alias of YAML may hold itself, which no setting does
    except (ValueError, RecursionError) as error:
        raise MergeError(f"it is not {form.upper()}: mend it first") from error
    if not isinstance(found, (dict, list)):
        raise MergeError(f"it is not {form.upper()} with settings in it: mend it first")
    return found
