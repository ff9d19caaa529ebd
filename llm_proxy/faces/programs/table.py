"""``PROGRAMS``, and what is told of one as plain values: the same words for the terminal and for the console."""

from __future__ import annotations

from typing import Any

from llm_proxy.faces.programs.agents import AGENTS
from llm_proxy.faces.programs.others import OTHERS
from llm_proxy.faces.programs.values import Code, File, Gateway, Program, Setting, Variables
from llm_proxy.faces.programs.writing import exports, text_of

PROGRAMS: dict[str, Program] = {program.id: program for program in (*AGENTS, *OTHERS)}


def told(program: Program, gateway: Gateway) -> dict[str, Any]:
    """Of one program: ``id``, ``name``, ``group``, ``speaks``, ``parts`` (each ``title``, ``language``, ``text``, and ``path`` for a file),
    ``start``, ``notes``, ``url``."""
    return {
        "id": program.id,
        "name": program.name,
        "group": program.group,
        "speaks": program.speaks,
        "parts": [_part(setting) for setting in program.settings(gateway)],
        "start": program.start(gateway),
        "notes": list(program.notes),
        "url": program.url,
    }


def told_of_all(gateway: Gateway) -> list[dict[str, Any]]:
    """Of every program, in order. For a page that fills in the names itself, the gateway may be one of marks: ``{{url}}``."""
    return [told(program, gateway) for program in PROGRAMS.values()]


def _part(setting: Setting) -> dict[str, str]:
    if isinstance(setting, File):
        text = text_of(setting.form, setting.content)
        return {"title": setting.path, "language": setting.form, "text": text, "path": setting.path}
    if isinstance(setting, Variables):
        return {"title": "in the shell that starts it", "language": "bash", "text": exports(setting.values)}
    assert isinstance(setting, Code)
    return {"title": setting.install, "language": setting.language, "text": setting.text}
