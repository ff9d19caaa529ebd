"""An OpenAPI document as a page for people.

Laws: the page fetches nothing and runs nothing: it is written here, whole, and its policy forbids the browser everything
but the style that stands in it. Every text of the document is escaped. Pure.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

_Json = dict[str, Any]

_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 22%, transparent); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
nav a { margin-right: 1rem; } p { margin: .4rem 0; }
code, pre { font: 14px/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; border: 1px solid var(--line); border-radius: 4px; padding: .6rem; }
details { border: 1px solid var(--line); border-radius: 4px; margin: .4rem 0; padding: .3rem .8rem; }
summary { cursor: pointer; } summary b { display: inline-block; min-width: 4.2rem; } summary i { opacity: .75; }
table { border-collapse: collapse; width: 100%; margin: .4rem 0 1rem; }
td, th { text-align: left; vertical-align: top; border-top: 1px solid var(--line); padding: .25rem .6rem .25rem 0; }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class Page:
    """``policy`` is the Content-Security-Policy to send with it."""

    body: bytes
    policy: str = _POLICY


def page(document: _Json) -> Page:
    """The page of ``document``, which is one of ours: errors and headers are references, groups are tags."""
    return Page("\n".join(_page(document)).encode())


def _page(document: _Json) -> Iterator[str]:
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>"
    yield _text(document["info"]["description"])
    yield '<p>For programs: <a href="openapi.json">openapi.json</a></p>'
    names = [tag["name"] for tag in document["tags"]]
    yield "<nav>" + "".join(f'<a href="#{_anchor(name)}">{escape(name)}</a>' for name in names)
    yield '<a href="#schemas">Schemas</a></nav>'
    for tag in document["tags"]:
        yield f'<h2 id="{_anchor(tag["name"])}">{escape(tag["name"])}</h2>\n{_text(tag["description"])}'
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if operation["tags"] == [tag["name"]] and "x-same-as" not in operation:
                    yield from _operation(document, path, method, operation)
    yield '<h2 id="schemas">Schemas</h2>'
    for name, schema in document["components"]["schemas"].items():
        yield f'<details id="{_anchor("schema " + name)}"><summary><code>{escape(name)}</code></summary>'
        yield from _schema(schema)
        yield "</details>"
    yield "</body>\n</html>"


def _operation(document: _Json, path: str, method: str, operation: _Json) -> Iterator[str]:
    yield f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code>"
    yield f"<i>{escape(operation['summary'])}</i></summary>"
    if "description" in operation:
        yield _text(operation["description"])
    same = [
        other
        for other, methods in document["paths"].items()
        if methods.get(method, {}).get("x-same-as") == path
    ]
    if same:
        yield "<p>Also at " + ", ".join(f"<code>{escape(other)}</code>" for other in same) + "</p>"
    if "parameters" in operation:
        yield "<table><tr><th>Parameter</th><th>In</th><th>Type</th><th></th></tr>"
        for one in operation["parameters"]:
            cells = (
                f"<code>{escape(one['name'])}</code>",
                one["in"],
                _type(one["schema"]),
                _words(one["description"]),
            )
            yield _row(cells)
        yield "</table>"
    if "requestBody" in operation:
        yield "<h4>Request</h4>"
        for kind, media in operation["requestBody"]["content"].items():
            yield f"<p><code>{escape(kind)}</code>: {_type(media['schema'])}</p>"
            if "$ref" not in media["schema"]:
                yield from _schema(media["schema"])
            if "example" in media:
                yield f"<pre>{escape(json.dumps(media['example'], indent=2))}</pre>"
    yield "<h4>Answers</h4><table>"
    for status, answer in operation["responses"].items():
        yield from _answer(document, status, answer)
    yield "</table></details>"


def _answer(document: _Json, status: str, answer: _Json) -> Iterator[str]:
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    kinds = [
        f"<code>{escape(kind)}</code>: {_type(media['schema'])}"
        for kind, media in answer.get("content", {}).items()
    ]
    yield _row((f"<b>{status}</b>", _words(answer["description"]), "<br>".join(kinds)))


def _schema(schema: _Json) -> Iterator[str]:
    if "description" in schema:
        yield _text(schema["description"])
    required = schema.get("required", ())
    if "properties" in schema:
        yield "<table>"
        for name, field in schema["properties"].items():
            mark = "required" if name in required else ""
            said = field.get("description", "")
            yield _row((f"<code>{escape(name)}</code>", mark, _type(field), _words(said)))
        yield "</table>"
    elif "description" not in schema or schema.keys() - {"description"}:
        yield f"<p>{_type(schema)}</p>"


def _type(schema: _Json) -> str:
    """A schema in a few words; a component is a link to it."""
    match schema:
        case {"$ref": str(target)}:
            name = target.rpartition("/")[2]
            return f'<a href="#{_anchor("schema " + name)}">{escape(name)}</a>'
        case {"properties": {"data": {"contentMediaType": _} | {"anyOf": _} as data}}:
            return "events: " + _type(data)
        case {"contentSchema": dict(item)}:
            return _type(item)
        case {"anyOf": list(ways)} | {"oneOf": list(ways)}:
            return " or ".join(_type(way) for way in ways)
        case {"const": value}:
            return f"<code>{escape(json.dumps(value))}</code>"
        case {"enum": list(values)}:
            return " ".join(f"<code>{escape(json.dumps(value))}</code>" for value in values)
        case {"type": "array"}:
            return "list of " + _type(schema.get("items", {}))
        case {"type": "object", "properties": dict(fields)}:
            return "object with " + ", ".join(f"<code>{escape(name)}</code>" for name in fields)
        case {"type": str(kind)}:
            return escape(kind)
        case {"type": list(kinds)}:
            return " or ".join(_type({**schema, "type": kind}) for kind in kinds)
        case _:
            return "anything"


def _row(cells: tuple[str, ...]) -> str:
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _text(text: str) -> str:
    return f"<p>{_words(text)}</p>"


def _words(text: str) -> str:
    """Escaped; what stands in backticks is code."""
    parts = escape(text).replace("``", "`").split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def _anchor(name: str) -> str:
    return escape(name.lower().replace(" ", "-"))
