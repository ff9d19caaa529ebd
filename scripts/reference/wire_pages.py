"""``docs/reference/endpoints.md``, ``headers.md`` and ``errors.md``, from ``llm_proxy.openapi``. Pure."""

from __future__ import annotations

from collections import defaultdict

from llm_proxy.openapi.document import paths_of
from llm_proxy.openapi.error_codes import CODES
from llm_proxy.openapi.errors import ALWAYS, HEADERS
from llm_proxy.openapi.operations import GROUPS, OPERATIONS
from llm_proxy.openapi.read_headers import READ
from llm_proxy.openapi.values import Operation
from scripts.reference.tables import code, generated, table

_ENDPOINTS = """
Every path that is served, with the usual prefix (`LLM_PROXY_API_EP_PREFIX`, here `/api`). Samples stand in [The endpoints](../endpoints.md) and
[The APIs of others](../faces.md); a running gateway shows every field at `/docs`, from `/openapi.json`.

`HEAD` works where `GET` does, `OPTIONS` lists the methods. Another method is a 405 that lists `Allow`, another path a 404 that names the one that was probably meant.
With keys ([access](../access.md)), everything but what is marked *open* asks for one. What is *relayed* comes from an upstream as it is.
"""
_HEADERS = """
What the gateway says in the headers of its answers, and what it reads in those of requests.
"""
_ERRORS = """
Every error has a `code`. In OpenAI's form it stands in the body; in the other forms there is no place for it (Ollama's, Anthropic's) or another one (`details` of Gemini's), and the
access line of the log has it for all of them. An upstream's refusal (4xx) keeps its status, its message and its own `code`. What happens in which situation: [When something fails](../failures.md).

```json output
{"error": {"message": "messages: is required", "type": "invalid_request_error", "code": "invalid_request", "param": "messages", "request_id": "4be0..."}}
```

*Again*: whether the same request may succeed later. Once a stream has begun the status is out: the same error comes as an event (a line, for Ollama), and the connection is cut without a terminator.
"""
_WHOSE = {
    "client": "whoever asks",
    "operator": "whoever runs the gateway",
    "upstream": "the upstream",
    "nobody": "nobody: it passes",
}


def _flags(operation: Operation) -> str:
    words = [word for holds, word in ((operation.open, "open"), (operation.relays, "relayed")) if holds]
    return "".join(f" (*{word}*)" for word in words)


def endpoints_page() -> str:
    """The text of the page about paths."""
    groups: dict[str, dict[tuple[str, ...], list[Operation]]] = defaultdict(dict)
    for operation in OPERATIONS:
        groups[operation.group].setdefault(tuple(paths_of(operation, "/api")), []).append(operation)
    text = generated("Reference: endpoints", "llm_proxy/openapi", _ENDPOINTS)
    for group, what in GROUPS.items():
        rows = []
        for paths, operations in groups[group].items():
            methods = " ".join(operation.method for operation in operations)
            summaries = "; ".join(dict.fromkeys(operation.summary for operation in operations))
            told = summaries + _flags(operations[0])
            rows.append((code(f"{methods} {paths[0]}"), told, " ".join(code(path) for path in paths[1:])))
        width = 3 if any(row[2] for row in rows) else 2
        text += f"\n## {group}\n\n{what}\n\n" + table(
            ("path", "what", "also at")[:width], [row[:width] for row in rows]
        )
    return text


def headers_page() -> str:
    """The text of the page about headers."""
    rows = [
        (code(name), what, "every answer" if name in ALWAYS else "") for name, (what, _) in HEADERS.items()
    ]
    rows += [
        ("`x-ratelimit-limit-*`, `-remaining-*`, `-reset-*`", "What is left of the key's limits, and of what the upstream grants, where OpenAI's clients read it: `requests`, `tokens`.", ""),
        ("`anthropic-ratelimit-*-limit`, `-remaining`, `-reset`", "The same where Anthropic's clients read it: `requests`, `tokens`, `input-tokens`, `output-tokens`.", ""),
    ]  # fmt: skip
    asked = [(", ".join(map(code, header.names)), header.what) for header in READ]
    return (
        generated("Reference: headers", "llm_proxy/openapi", _HEADERS)
        + "\n## Of answers\n\n"
        + table(("header", "what it says", "on"), rows)
        + "\n## Of requests\n\n"
        + table(("header", "what it does"), asked)
    )


def errors_page() -> str:
    """The text of the page about errors."""
    rows = [
        (code(error.code), error.status, error.when, _WHOSE[error.whose], "yes" if error.again else "no")
        for error in CODES
    ]
    head = ("code", "status", "when", "whose turn it is", "again")
    return (
        generated("Reference: errors", "llm_proxy/openapi/error_codes.py", _ERRORS) + "\n" + table(head, rows)
    )
