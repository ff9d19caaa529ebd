"""All tools of one Responses request, as functions with names of their own, and the way back from such a name.

Laws: each tool that the client executes has one name here that fits every vendor's grammar, the same for its declaration,
for its calls in a history, and for calls to come. A plain function keeps its name if that fits. Tools may also be declared
in the input (found by a tool search, or added later); deferred ones are offered like all others, for nobody here would
load them. What runs at a vendor is named as dropped. Which tools are offered in the end: ``responses_choice``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from llm_proxy.errors import Problem
from llm_proxy.faces.responses.kind import Kind, as_list
from llm_proxy.faces.responses.kinds import CUSTOM, FUNCTION, of_client
from llm_proxy.faces.responses.names import fits, flat_name, free_name
from llm_proxy.wire.dropped_names import dropped

_Json = dict[str, Any]
#: A tool by what an item of its calls says: its type, the namespace, the name.
_Key = tuple[str, str, str]
#: Items that declare tools.
_DECLARE = frozenset({"tool_search_output", "additional_tools"})


@dataclass(frozen=True, slots=True)
class Declared:
    """A tool as the client declared it: ``name`` is its own one, ``note`` what else the model should know."""

    kind: Kind
    name: str
    namespace: str = ""
    tool: _Json = field(default_factory=dict)
    note: str = ""

    @property
    def key(self) -> _Key:
        """What an item of its calls says."""
        return (self.kind.item, self.namespace, self.name)

    @property
    def is_own(self) -> bool:
        """Whether it is one of OpenAI's own tools, which have no names but their types."""
        return self.kind not in (FUNCTION, CUSTOM)

    @property
    def is_plain(self) -> bool:
        """Whether it is a function that can keep its name."""
        return self.kind is FUNCTION and not self.namespace and fits(self.name)

    def function(self, name: str) -> _Json:
        """The function that stands for it."""
        found = self.kind.function(self.tool)
        if self.note:
            found["description"] = "\n\n".join(filter(None, (found.get("description"), self.note)))
        return {"type": "function", "function": {"name": name, **found}}


class Toolbox:
    """The tools of ``tools`` and of ``items``, with ``problems`` and what was ``dropped``."""

    def __init__(self, tools: Iterable[_Json] = (), items: Iterable[_Json] = ()) -> None:
        self.problems: list[Problem] = []
        self.dropped: list[str] = []
        #: By the name that the model knows, in the order of the request.
        self.tools: dict[str, Declared] = {}
        #: The model's names: by the client's words, by its name alone, by namespace; of OpenAI's own by their items.
        self._names: dict[_Key, str] = {}
        self.alike: dict[str, list[str]] = {}
        self.spaces: dict[str, list[str]] = {}
        self._own: dict[str, str] = {}
        #: What each item of the input declares.
        self._loaded: dict[str, list[_Key]] = {}
        found: dict[_Key, Declared] = {}
        for place, path, tool in _declarations(tools, items):
            for declared in self._read(path, tool):
                self._loaded.setdefault(place, []).append(declared.key)
                if declared.key not in found:
                    found[declared.key] = declared
                elif place == "tools":
                    self.dropped.append(f"{path} (declared twice)")
        self._name(found.values())

    def declared(self, name: str) -> Declared:
        """The tool that the model calls so; a function for a name that is not known."""
        return self.tools.get(name) or Declared(FUNCTION, name)

    def named(self, kind: Kind, name: str, namespace: str = "") -> str:
        """The model's name of a tool that an item of a history calls so."""
        found = self._names.get((kind.item, namespace, name))
        if found is None and not namespace and name not in self.tools:
            # A client that did not keep the namespace, or that calls one of OpenAI's tools a function.
            like = self.alike.get(name, [])
            found = like[0] if len(like) == 1 else None
        return found or flat_name(namespace, name)

    def own(self, kind: Kind) -> tuple[str, Kind]:
        """The model's name of one of OpenAI's own tools, and the kind as which it is declared."""
        name = self._own.get(kind.item)
        return (name, self.tools[name].kind) if name else (kind.type, kind)

    def own_names(self) -> Iterable[str]:
        """The model's names of OpenAI's own tools."""
        return self._own.values()

    def loaded(self, path: str) -> str:
        """What the search for tools found whose result stands at ``path``, by the model's names."""
        names = [self._names[key] for key in self._loaded.get(path, ())]
        return "Loaded: " + ", ".join(names) if names else "No tools were found."

    def _name(self, found: Iterable[Declared]) -> None:
        taken = {declared.name for declared in found if declared.is_plain}
        for declared in found:
            name, space = declared.name, declared.namespace
            if not declared.is_plain:
                name = free_name(space, name, taken)
                taken.add(name)
            self.tools[name] = declared
            self._names[declared.key] = name
            self.alike.setdefault(declared.name, []).append(name)
            if space:
                self.spaces.setdefault(space, []).append(name)
            if declared.is_own:
                self._own.setdefault(declared.kind.item, name)

    def _read(self, path: str, tool: _Json) -> Iterator[Declared]:
        if tool.get("type") == "namespace":
            yield from self._namespace(path, tool)
        elif kind := self._kind(path, tool):
            yield Declared(kind, kind.name(tool), tool=tool)

    def _namespace(self, path: str, tool: _Json) -> Iterator[Declared]:
        space, members = tool.get("name"), tool.get("tools")
        if not isinstance(space, str) or not space:
            self.problems.append(Problem(f"{path}.name", "must be a string"))
        elif not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
            self.problems.append(Problem(f"{path}.tools", "must be a list of tools"))
        else:
            # To the first one only: what an MCP server says of itself may be long.
            note = f"About all tools of {space}: {tool['description']}" if tool.get("description") else ""
            for number, member in enumerate(members):
                if kind := self._kind(f"{path}.tools.{number}", member):
                    yield Declared(kind, kind.name(member), space, member, note)
                    note = ""

    def _kind(self, path: str, tool: _Json) -> Kind | None:
        """What kind of the client's tools it is, if it is one and soundly declared."""
        kind = of_client(tool)
        if kind is None:
            self.dropped.append(dropped(path, tool.get("type")))
            return None
        name, problems = kind.name(tool), []
        if not isinstance(name, str) or not name:
            problems.append(Problem(f"{path}.name", "must be a string"))
        if not isinstance(tool.get("parameters"), dict | None):
            problems.append(Problem(f"{path}.parameters", "must be an object"))
        self.problems += problems
        return None if problems else kind


def _declarations(tools: Iterable[_Json], items: Iterable[_Json]) -> Iterator[tuple[str, str, _Json]]:
    """Every declaration: in which place of the request, by which path, and what it says."""
    for number, tool in enumerate(tools):
        yield "tools", f"tools.{number}", tool
    for at, item in enumerate(items):
        if item.get("type") in _DECLARE:
            for number, tool in enumerate(as_list(item.get("tools"))):
                if isinstance(tool, dict):
                    yield f"input.{at}", f"input.{at}.tools.{number}", tool
