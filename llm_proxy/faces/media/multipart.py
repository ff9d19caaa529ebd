"""A ``multipart/form-data`` body (RFC 7578, RFC 2046): where its fields stand, and the same body with one changed.

Laws: uploads are never looked into and never copied but once; a form that two servers could read differently is refused:
they would see two models in it. Python's own reader of such bodies is for e-mail and takes everything apart.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from llm_proxy.errors import InvalidRequest, Problem, UnsupportedMedia

#: Far above what the API's forms have: a dozen fields, sixteen images.
MAX_PARTS = 1000
#: Bytes of the head of one part.
MAX_HEAD = 8 * 1024

#: RFC 2046, section 5.1.1; it may stand in quotes, and must where it has more than a token's characters.
_BOUNDARY = re.compile(r";\s*boundary=(?:\"([^\"\\]{1,70})\"|([^\s;\",]{1,70}))\s*(?=;|$)", re.IGNORECASE)
_BOUNDARY_CHARACTERS = re.compile(r"[0-9A-Za-z'()+_,./:=? -]*[0-9A-Za-z'()+_,./:=?-]")
#: What ends a boundary's line; the last one is followed by two hyphens.
_PADDING = re.compile(rb"[ \t]*\r\n")
_PARAMETER = re.compile(
    r"\s*;\s*([!#-'*+.^_`|~0-9A-Za-z-]+)=(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;\"]+))", re.DOTALL
)
_PLAIN = frozenset({"", "7bit", "8bit", "binary"})


@dataclass(frozen=True, slots=True)
class Part:
    """One field: it stands from ``start`` to ``end``, boundary included, its value from ``at`` to ``until``."""

    name: str
    is_file: bool
    start: int
    at: int
    until: int
    end: int


@dataclass(frozen=True, slots=True)
class FormBody:
    """A form that was read."""

    data: bytes
    content_type: str
    parts: tuple[Part, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(part.name for part in self.parts)

    @property
    def model(self) -> str | None:
        part = self._model_part()
        if part is None:
            return None
        try:
            return self.data[part.at : part.until].decode() or None
        except UnicodeDecodeError:
            raise InvalidRequest.of([Problem("model", "must be text in UTF-8")]) from None

    def _model_part(self) -> Part | None:
        found = [part for part in self.parts if part.name == "model"]
        if len(found) > 1 or any(part.is_file for part in found):
            raise InvalidRequest.of([Problem("model", "must be one text field of the form")])
        return found[0] if found else None

    def written(self, model: str | None, without: Collection[str] = ()) -> bytes:
        changed = self._model_part() if model is not None and "model" not in without else None
        view = memoryview(self.data)
        pieces: list[bytes | memoryview] = []
        at = 0
        for part in self.parts:
            if part.name in without:
                pieces.append(view[at : part.start])
                at = part.end
            elif part is changed and model is not None:
                pieces += [view[at : part.at], model.encode()]
                at = part.until
        if not pieces:
            return self.data
        return b"".join([*pieces, view[at:]])


def read_form(data: bytes, content_type: str) -> FormBody:
    """The form in ``data``. Raises ``InvalidRequest`` or ``UnsupportedMedia``."""
    return FormBody(data, content_type, tuple(_parts(data, _boundary(content_type))))


def _boundary(content_type: str) -> bytes:
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise UnsupportedMedia("the body must be JSON or multipart/form-data")
    found = _BOUNDARY.findall(content_type)
    text = (found[0][0] or found[0][1]) if len(found) == 1 else ""
    if not _BOUNDARY_CHARACTERS.fullmatch(text):
        raise _wrong("needs one boundary in its Content-Type")
    return text.encode()


def _parts(data: bytes, boundary: bytes) -> Iterator[Part]:
    line = b"--" + boundary
    delimiter = b"\r\n" + line
    start = 2 if data.startswith(delimiter) else 0
    if not data.startswith(line, start):
        raise _wrong("must begin with its boundary")
    for _ in range(MAX_PARTS):
        after = start + len(line)
        if data.startswith(b"--", after):
            return
        padding = _PADDING.match(data, after)
        if padding is None:
            raise _wrong("has its boundary where no part begins")
        head = padding.end()
        until = data.find(delimiter, head)
        if until < 0:
            raise _wrong("does not end with its boundary")
        at = data.find(b"\r\n\r\n", head, min(until, head + MAX_HEAD))
        if at < 0:
            raise _wrong("has a part without a head, or with a very long one")
        name, is_file = _named(data[head:at])
        yield Part(name, is_file, start, at + 4, until, until + 2)
        start = until + 2
    raise _wrong(f"has more than {MAX_PARTS} parts")


def _named(head: bytes) -> tuple[str, bool]:
    """The name of a part's field, and whether it is a file."""
    fields: dict[str, str] = {}
    for line in head.split(b"\r\n"):
        name, colon, value = line.decode("utf-8", "replace").partition(":")
        name = name.lower()
        if not colon or not name or name != name.strip() or name in fields or "\r" in value or "\n" in value:
            raise _wrong("has a part whose head is malformed")
        fields[name] = value.strip()
    if fields.get("content-transfer-encoding", "").lower() not in _PLAIN:
        raise _wrong("must not be encoded once more (RFC 7578, section 4.7)")
    parameters = _parameters(fields.get("content-disposition", ""))
    field = parameters.get("name", "")
    if not field or not field.isprintable() or "\\" in field or "name*" in parameters:
        raise _wrong("has a part without a plain name")
    return field, "filename" in parameters or "filename*" in parameters


def _parameters(disposition: str) -> dict[str, str]:
    kind = "form-data"
    if disposition[: len(kind)].lower() != kind:
        raise _wrong("has a part that is no field of a form")
    found: dict[str, str] = {}
    at = len(kind)
    while at < len(disposition):
        parameter = _PARAMETER.match(disposition, at)
        if parameter is None or parameter[1].lower() in found:
            raise _wrong("has a part whose Content-Disposition is malformed")
        found[parameter[1].lower()] = parameter[3] if parameter[2] is None else parameter[2]
        at = parameter.end()
    return found


def _wrong(what: str) -> InvalidRequest:
    return InvalidRequest(f"the body {what}", code="invalid_form")
