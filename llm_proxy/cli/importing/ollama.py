"""A plain Ollama: the table of ``ollama list``, or what its ``/api/tags`` answers (github.com/ollama/ollama, docs/api.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from llm_proxy.cli.importing.draft import Draft, is_name, items
from llm_proxy.cli.importing.reading import SourceError
from llm_proxy.cli.importing.upstreams import Upstream, same_host

_LATEST = ":latest"
_ROW = re.compile(r"(\S+)\s{2,}\S+")


def names_of(text: str) -> Any:
    """``{"models": [...]}`` of either. Raises ``SourceError``."""
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except ValueError:
            raise SourceError("is not what /api/tags of an Ollama answers") from None
        if not isinstance(found, dict) or not isinstance(found.get("models"), list):
            raise SourceError("is not what /api/tags of an Ollama answers")
        return found
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or lines[0].split()[:2] != ["NAME", "ID"]:
        raise SourceError("is not the table of 'ollama list', which begins with NAME and ID")
    rows = [_ROW.match(line) for line in lines[1:]]
    if not all(rows):
        raise SourceError("is not the table of 'ollama list'")
    return {"models": [{"name": row[1]} for row in rows if row]}


def read(source: Any, draft: Draft, *, at: str) -> None:
    """All of its models; ``at``: where the Ollama is."""
    upstream = Upstream("ollama", same_host(at.rstrip("/"), "ollama"))
    for number, model in enumerate(items(source["models"])):
        place = ("models", number)
        name = model.get("name") if isinstance(model, Mapping) else None
        if not is_name(name):
            draft.lost("is no name that a model can have here", *place)
            continue
        assert isinstance(name, str)
        if name.endswith(_LATEST):
            short = name.removesuffix(_LATEST)
            draft.changed(
                f"is {short} here, which is what clients say; {name} is another name for it", *place, "name"
            )
            draft.row(upstream, short, {"model": name})
            draft.alias(name, short)
        else:
            draft.taken(*place, "name")
            draft.row(upstream, name, {})
        for key in model:
            if key != "name":
                draft.changed("the Ollama is asked for it while it runs", *place, key)
    if not source["models"]:
        draft.row(upstream, "*", {})
        draft.advice.append('It has no model yet: the pattern "*" serves what it will have.')
