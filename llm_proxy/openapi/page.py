"""An OpenAPI document as a page for people.

Laws: it begins with what this is and how it is asked; what every endpoint of an API answers alike (its errors) stands once. Every
text of the document is escaped. Beside a console it has that one's style sheet, and a script by which it is filtered and tells the
address by which it was reached; without one it fetches nothing and runs nothing. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from llm_proxy.openapi.page_look import ALONE, BESIDE, SCRIPT, STYLE, STYLE_BESIDE

_Json = dict[str, Any]

#: How the gateway is reached if nobody says so; the script puts in what the browser knows.
_ADDRESS = "http://127.0.0.1:8080"
#: For whose clients, and what is put behind the address.
_BASES = (
    ("OpenAI", "/v1"),
    ("Anthropic", ""),
    ("Ollama", "/ollama"),
    ("Gemini", "/gemini"),
)
_TRY = '{"model": "demo", "messages": [{"role": "user", "content": "Hello!"}]}'
_FAMILIES = {
    "openai": "OpenAI, and this gateway's own endpoints",
    "anthropic": "Anthropic",
    "gemini": "Gemini",
    "ollama": "Ollama",
    "either": "Lists of models: in the form of whoever asks",
}


@dataclass(frozen=True, slots=True)
class Page:
    """``policy`` is the Content-Security-Policy to send with it."""

    body: bytes
    policy: str


def page(document: _Json, root: str | None = None) -> Page:
    """The page of ``document``, which is one of ours: errors and headers are references, groups are tags. ``root``: the way to
    where the console stands; None: there is no console."""
    return Page("\n".join(_page(document, root)).encode(), ALONE if root is None else BESIDE)


def _page(document: _Json, root: str | None) -> Iterator[str]:
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title>"
    if root is not None:
        yield f'<link rel="icon" href="{root}console/icon.svg" type="image/svg+xml">'
        yield f'<link rel="stylesheet" href="{root}console/console.css">'
        yield f'<script src="{root}console/theme.js"></script>'
        yield f"<style>{STYLE_BESIDE}</style>"
    else:
        yield f"<style>{STYLE}</style>"
    yield '</head>\n<body class="docs">\n<main>'
    yield from _beginning(document, title, "" if root is None else f'<a href="{root}console">Console</a>')
    for tag in document["tags"]:
        yield f'<section>\n<h2 id="{_anchor(tag["name"])}">{escape(tag["name"])}</h2>\n{_text(tag["description"])}'
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if operation["tags"] == [tag["name"]] and "x-same-as" not in operation:
                    yield from _operation(document, path, method, operation)
        yield "</section>"
    yield from _errors(document)
    yield '<section>\n<h2 id="schemas">Schemas</h2>'
    for name, schema in document["components"]["schemas"].items():
        yield f'<details id="{_anchor("schema " + name)}"><summary><code>{escape(name)}</code></summary>'
        yield from _schema(schema)
        yield "</details>"
    yield "</section>\n</main>"
    if root is not None:
        yield f"<script>{SCRIPT}</script>"
    yield "</body>\n</html>"


def _beginning(document: _Json, title: str, console: str) -> Iterator[str]:
    """What this is, how it is asked, and where the parts are."""
    yield f"<h1>{title}</h1>"
    yield _text("One address in front of every model server. " + document["info"]["description"])
    yield '<table class="bases"><tr><th>Clients of</th><th>Base URL</th></tr>'
    for name, behind in _BASES:
        yield _row((name, f'<code><span class="address">{_ADDRESS}</span>{behind}</code>'))
    yield "</table>"
    yield f'<pre tabindex="0">curl <span class="address">{_ADDRESS}</span>/v1/chat/completions \\\n  -d \'{escape(_TRY, quote=False)}\'</pre>'
    yield f'<p>For programs: <a href="openapi.json">openapi.json</a> {console}</p>'
    names = [tag["name"] for tag in document["tags"]]
    yield '<nav aria-label="Parts">' + " ".join(
        f'<a href="#{_anchor(name)}">{escape(name)}</a>' for name in [*names, "Errors", "Schemas"]
    )
    yield "</nav>"
    yield '<p class="bar"><input type="search" id="filter" placeholder="path or word" aria-label="Filter" hidden></p>'


def _errors(document: _Json) -> Iterator[str]:
    """What endpoints answer alike, once for each API."""
    responses = document["components"]["responses"]
    yield '<section>\n<h2 id="errors">Errors</h2>'
    for family, what in _FAMILIES.items():
        rows = {
            name.removeprefix(f"{family}-"): answer
            for name, answer in responses.items()
            if name.startswith(f"{family}-") and not name.endswith("-relayed")
        }
        if rows:
            yield f'<details id="errors-{family}"><summary>{escape(what)}</summary><table>'
            for status, answer in rows.items():
                yield from _answer(status, answer)
            yield "</table></details>"
    yield "</section>"


def _operation(document: _Json, path: str, method: str, operation: _Json) -> Iterator[str]:
    yield f'<details class="operation"><summary><b>{method.upper()}</b> <code>{escape(path)}</code> '
    yield f"<span>{escape(operation['summary'])}</span></summary>"
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
        yield "<h3>Request</h3>"
        for kind, media in operation["requestBody"]["content"].items():
            yield f"<p><code>{escape(kind)}</code>: {_type(media['schema'])}</p>"
            if "$ref" not in media["schema"]:
                yield from _schema(media["schema"])
            if "example" in media:
                yield f'<pre tabindex="0">{escape(json.dumps(media["example"], indent=2))}</pre>'
    yield "<h3>Answers</h3><table>"
    common: dict[str, list[str]] = {}
    for status, answer in operation["responses"].items():
        if "$ref" in answer:
            family = answer["$ref"].rpartition("/")[2].partition("-")[0]
            common.setdefault(family, []).append(status)
        else:
            yield from _answer(status, answer)
    for family, statuses in common.items():
        link = f'<a href="#errors-{family}">errors</a>'
        yield _row((f"<b>{' '.join(statuses)}</b>", f"{link} as everywhere in this API", ""))
    yield "</table></details>"


def _answer(status: str, answer: _Json) -> Iterator[str]:
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
