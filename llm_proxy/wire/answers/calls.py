"""The calls of one answer, however their pieces come: numbered, named once, with arguments that are pieces of a text.

Laws: an index is a name, never a size, and where it is wrong the rest decides. Another id at the same index is another
call, unless the piece only goes on with arguments that are still open (servers that make up an id for each piece). What
follows a whole object is a further call, or the same one told again, and never a part of it. A name may come in pieces at
one index, behind an id and before any arguments, so a call is told when something follows its name. Linear in what comes. Pure.

Sources: ollama/ollama #15457, #7881 (one index, or none), poolsideai/pool #9 (ids that change), NousResearch/hermes-agent
#8259 (the name on each piece), #35592 and vercel/ai #12052 (arguments told from the beginning each time),
ggml-org/llama.cpp #20198 (arguments as an object), use-agent-os/agent-os #3171 (id and name late).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llm_proxy.wire.answers.misfit import misfit
from llm_proxy.wire.sse import dumps

_Json = dict[str, Any]

_MARK = re.compile(r'\\.|["{}\[\]]', re.DOTALL)
#: Behind these a value may begin, so that a piece that begins like all before it may be just that.
_BEFORE_VALUES = (":", "[", ",")
_BEHIND_TEXTS = ("", ":", ",", "}", "]")
#: A name that is so long is whole: each piece copies it (vendors take 64 characters, some 128).
_LONGEST_NAME = 256
#: Of a piece: what is read here. Anything else is the vendor's (Google's signatures) and goes along.
_READ = frozenset({"index", "id", "type", "function", "custom", "name", "arguments", "parameters", "input"})


class _Arguments:
    """A text in pieces, and whether it is a whole JSON value yet."""

    __slots__ = ("_depth", "_escaped", "_in_text", "_opened", "_pieces", "_seen", "size")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._seen = 0
        self._depth = 0
        self._in_text = self._escaped = self._opened = False
        self.size = 0

    def add(self, piece: str) -> None:
        self._pieces.append(piece)
        self.size += len(piece)

    def text(self) -> str:
        if len(self._pieces) > 1:
            self.whole()
            self._pieces, self._seen = ["".join(self._pieces)], 1
        return self._pieces[0] if self._pieces else ""

    def equals(self, text: str) -> bool:
        """Whether this is ``text``; the pieces are joined only if it may be."""
        return self.size == len(text) and self.text() == text

    def whole(self) -> bool:
        """Whether an object (or a list) has begun and is closed. Looks at each piece once."""
        while self._seen < len(self._pieces):
            self._look(self._pieces[self._seen])
            self._seen += 1
        return self._opened and self._depth <= 0

    def could_take(self, piece: str) -> bool:
        """Whether ``piece``, which is an object's beginning, could stand here: as a value, or as a bracket in a text."""
        self.whole()
        if self._in_text:
            return piece.partition('"')[2].lstrip()[:1] in _BEHIND_TEXTS
        return self.text().rstrip().endswith(_BEFORE_VALUES)

    def cut(self) -> bool:
        """Whether an object has begun and is not closed."""
        return not self.whole() and self._opened

    def _look(self, piece: str) -> None:
        if self._escaped:
            self._escaped = False
            piece = piece[1:]
        end = 0
        for found in _MARK.finditer(piece):
            mark, end = found[0], found.end()
            if self._in_text:
                self._in_text = mark != '"'
            elif mark == '"':
                self._in_text = True
            elif mark in "{[":
                self._depth += 1
                self._opened = True
            elif mark in "}]":
                self._depth -= 1
        self._escaped = piece.endswith("\\") and end < len(piece)


class _Call:
    """One call so far. ``number`` is -1 until it is told."""

    __slots__ = ("arguments", "cumulative", "extra", "given", "held", "name", "number")

    def __init__(self) -> None:
        self.number = -1
        self.given = ""
        self.name = ""
        self.arguments = _Arguments()
        self.cumulative = False
        #: Pieces that are not told yet; further fields.
        self.held: list[str] = []
        self.extra: _Json = {}

    def may_be_none(self) -> bool:
        """Whether there is an empty object, told to nobody: it may only stand there until the arguments come."""
        return self.arguments.size == 2 and self.held == ["{}"]

    def may_be_named_on(self) -> bool:
        """Whether more of its name may come."""
        if self.number >= 0 or not self.given or self.arguments.size:
            return False
        return 0 < len(self.name) < _LONGEST_NAME


class CallReader:
    """``read`` pieces as they come; ``rest`` gives what was held back to the end."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        #: The newest call at an index of a choice as the upstream numbers them, and the one with an id.
        self._at: dict[tuple[int, int], _Call] = {}
        self._named: dict[str, _Call] = {}
        self._ids: set[str] = set()
        #: By an id, up to which number it was tried with one behind it.
        self._tried: dict[str, int] = {}
        #: Calls whose arguments are not whole yet.
        self._open: set[_Call] = set()
        self._told = 0

    def __bool__(self) -> bool:
        """Whether there is a call."""
        return bool(self._calls)

    def cut(self) -> bool:
        """Whether the arguments of a call have begun and not ended."""
        return any(call.arguments.cut() for call in self._calls)

    def unfinished(self) -> bool:
        """Whether more may come for a call."""
        return bool(self._open)

    def read(self, pieces: Any, source: int = 0, *, apart: bool = False) -> list[_Json]:
        """``pieces`` of choice ``source`` in the canonical form. ``apart``: each is a whole call. Raises ``UpstreamError``."""
        found: list[_Json] = []
        for piece in [pieces] if isinstance(pieces, dict) else pieces:
            if not isinstance(piece, dict):
                raise misfit("something else where an object belongs")
            found += self._piece(piece, source, apart)
        return found

    def rest(self) -> list[_Json]:
        """What was held back: calls whose name never came, arguments that might have been none yet."""
        return [piece for call in self._calls for piece in self._flushed(call)]

    def _piece(self, piece: _Json, source: int, apart: bool) -> Iterator[_Json]:
        given, name, arguments = _id(piece.get("id")), *_function(piece)
        key = _key(piece.get("index"), source)
        call = None if apart else self._goes_on_with(key, given, name, arguments)
        if call is None:
            if self._calls:
                before = self._at.get(key, self._calls[-1]) if key is not None else self._calls[-1]
                name = name or ("" if not arguments else before.name)
                yield from self._flushed(self._calls[-1])
            call = self._begin(key, given)
        elif arguments and call.arguments.equals(arguments) and call.arguments.whole():
            return  # the same again
        if given and call.number < 0:
            call.given = given
        if name != call.name:
            call.name += name
        call.extra.update(
            {key: value for key, value in piece.items() if key not in _READ and value is not None}
        )
        self._argue(call, arguments)
        (self._open.discard if call.arguments.whole() else self._open.add)(call)
        yield from self._tell(call)

    def _begin(self, key: tuple[int, int] | None, given: str) -> _Call:
        call = _Call()
        self._calls.append(call)
        if key is not None:
            self._at[key] = call
        if given:
            self._named[given] = call
        return call

    def _goes_on_with(
        self, key: tuple[int, int] | None, given: str, name: str, arguments: str
    ) -> _Call | None:
        """The call that a piece belongs to; None if it begins another."""
        if key is not None:
            call = self._at.get(key)
        elif given:
            call = self._named.get(given)
            if call is None and self._calls and not self._calls[-1].given:
                call = self._calls[-1]
        else:
            call = self._calls[-1] if self._calls else None
        if call is None:
            return None
        if given and call.given and given != call.given:
            is_open = call.arguments.size == 0 or not call.arguments.whole()
            return call if arguments and not name and is_open else None
        if name and call.may_be_named_on() and key is not None and not given:
            return call
        if name and call.name and (name != call.name or (key is None and not given)):
            return None
        if arguments.strip() and call.arguments.size and call.arguments.whole():
            if call.arguments.equals(arguments) and (given or not name):
                return call
            if not name and call.may_be_none():
                call.arguments, call.held = _Arguments(), []  # there was nothing yet: the true ones follow
                return call
            return None if arguments.lstrip().startswith("{") else call
        return call

    def _argue(self, call: _Call, arguments: str) -> None:
        if not arguments:
            return
        size = call.arguments.size
        if size > 1 and len(arguments) > size and arguments[0] == "{":
            before = call.arguments.text()
            if arguments.startswith(before) and (call.cumulative or not call.arguments.could_take(arguments)):
                call.cumulative = True
                arguments = arguments[size:]
        elif call.cumulative and call.arguments.equals(arguments):
            return
        call.arguments.add(arguments)
        call.held.append(arguments)

    def _tell(self, call: _Call) -> Iterator[_Json]:
        """What may be told of ``call`` now."""
        if not call.name or call.may_be_named_on():
            return
        waits = call.may_be_none()
        if call.number < 0 or not waits:
            yield from self._flushed(call, waits)

    def _flushed(self, call: _Call, waits: bool = False) -> Iterator[_Json]:
        arguments = "" if waits else "".join(call.held)
        if not waits:
            call.held = []
        extra, call.extra = call.extra, {}
        if not call.name:
            raise misfit("a call without a name")
        if call.number < 0:
            call.number = self._told
            self._told += 1
            function = {"name": call.name, "arguments": arguments}
            yield {
                "index": call.number,
                "id": self._unique(call) or None,
                "type": "function",
                "function": function,
                **extra,
            }
        elif arguments or extra:
            yield {"index": call.number, "function": {"arguments": arguments}, **extra}

    def _unique(self, call: _Call) -> str:
        """Its id. Some servers give the function's name as the id of every call of it; results find their calls by id."""
        found, number = call.given, max(call.number, self._tried.get(call.given, 0))
        while found and found in self._ids:
            found = f"{call.given}_{number}"
            number += 1
            self._tried[call.given] = number
        self._ids.add(found)
        return found


def _key(index: Any, source: int) -> tuple[int, int] | None:
    if index is None or index == "":
        return None
    if isinstance(index, float) and index.is_integer():
        index = int(index)
    if isinstance(index, str) and index.isascii() and index.isdigit() and len(index) < 10:
        index = int(index)
    if type(index) is not int:
        raise misfit("an index that is no integer")
    return source, index


def _id(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if type(value) in (int, float):
        return str(value)
    raise misfit("an id that is no text")


def _function(piece: _Json) -> tuple[str, str]:
    """Name and arguments. Some servers leave out the object around them; OpenAI's custom tools have a text as input."""
    function = piece.get("function")
    if function is None and isinstance(piece.get("custom"), dict):
        custom = piece["custom"]
        return _name(custom.get("name")), _text({"input": custom.get("input")})
    if function is None:
        function = piece
    if not isinstance(function, dict):
        raise misfit("something else where an object belongs")
    given = next(
        (function[key] for key in ("arguments", "parameters", "input") if function.get(key) is not None), None
    )
    return _name(function.get("name")), _text(given)


def _name(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    raise misfit("a piece of text that is no string")


def _text(arguments: Any) -> str:
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return dumps(arguments).decode()
