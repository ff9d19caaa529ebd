"""Which tools a Responses request offers, and which of them must be used (platform.openai.com/docs/guides/function-calling).

Laws: ``tool_choice`` means tools by what the client calls them. One that means nothing that is offered is dropped and
named: it would be a 400 at every upstream.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from llm_proxy.faces.responses.kind import as_list
from llm_proxy.faces.responses.kinds import KINDS
from llm_proxy.faces.responses.toolbox import Toolbox

_Json = dict[str, Any]
#: Names of the computer tool, which has several.
_SAME = {"computer_use": "computer", "computer_use_preview": "computer"}


@dataclass(slots=True)
class Offer:
    """``tools`` and ``choice`` of the chat request; ``dropped`` if the client's choice is not in it."""

    tools: list[_Json] = field(default_factory=list)
    choice: Any = None
    dropped: bool = False


def offer(toolbox: Toolbox, choice: Any) -> Offer:
    """What ``toolbox`` offers under the client's ``tool_choice``."""
    names, lost = list(toolbox.tools), False
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        entries = [entry for entry in as_list(choice.get("tools")) if isinstance(entry, dict)]
        allowed = {name for entry in entries for name in _meant(toolbox, entry)}
        names = [name for name in names if name in allowed]
        choice = choice.get("mode", "auto")
    elif isinstance(choice, dict):
        meant = _meant(toolbox, choice)
        lost = not meant
        choice = {"type": "function", "function": {"name": meant[0]}} if meant else None
        if len(meant) > 1:  # a whole namespace: one of its tools
            names, choice = meant, "required"
    if not names:
        return Offer(dropped=lost or choice not in (None, "none", "auto"))
    return Offer([toolbox.tools[name].function(name) for name in names], choice, lost)


def _meant(toolbox: Toolbox, wanted: _Json) -> list[str]:
    """The names of the tools that an object in ``tool_choice`` means."""
    kind, name, space = (str(wanted.get(field) or "") for field in ("type", "name", "namespace"))
    if kind == "namespace":
        return toolbox.spaces.get(name, [])
    if kind in ("function", "custom"):
        like = {
            flat: toolbox.tools[flat]
            for flat in (*toolbox.alike.get(name, ()), name)
            if flat in toolbox.tools
        }
        found = [
            flat for flat, one in like.items() if one.kind is KINDS[kind] and space in ("", one.namespace)
        ]
        return found[:1]
    return [
        flat
        for flat in toolbox.own_names()
        if _SAME.get(toolbox.tools[flat].kind.type, toolbox.tools[flat].kind.type) == _SAME.get(kind, kind)
    ][:1]
