"""docs/vendors.md, made from the rows: ``python -m tests.support.vendors_page`` writes it, a test keeps it current."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from providers.openai.vendor import COMMON, Vendor
from providers.vendors import VENDORS

PAGE = "docs/vendors.md"

_HEAD = """# Whose servers: the vendors of OpenAI's dialect

Many servers speak OpenAI's chat completions, and each in its own way: one refuses a field that another wants. What each takes stands in a row, and every request
that goes there obeys it, translated or not. This page is generated from the rows (`make vendors`).

A row is implied by the host (and by what stands below it), by a provider's name that is in the first column, and by `api_type` `vllm`. The field `vendor` of a
model, or of a provider's `defaults`, sets it: for a gateway or a private address before a vendor, and for the programs that have no address of their own.
`GET /status/models` shows the one in use.

```json config
{
  "my-gateway": {
    "defaults": {"api_type": "openai", "api_host": "http://10.0.0.7:4000/v1", "vendor": "litellm"},
    "big": {"model": "claude-sonnet-4-5"}
  },
  "box": {
    "defaults": {"api_type": "openai", "api_host": "http://gpu-box:8080/v1", "vendor": "llamacpp"},
    "qwen": {}
  }
}
```

A server that nobody knows is `lenient`: it gets what works for most, which are programs that run open models. Unknown fields pass; the role `developer`
becomes `system`, and the texts of the system become one in front, because many chat templates take no other; marks for caches (`cache_control`) are taken
out. `strict` is for a server that refuses what is not OpenAI's.

What is taken out of a request is named in `X-Dropped-Params`, unless it says nothing: a null, a default, a mark for a cache, or a mere hint (`user`,
`safety_identifier`, `prompt_cache_key`, `client_metadata`). Everywhere: pictures that a tool returned go into the user's turn behind the results, unless the row has them in
results; a tool's `{"type": "object"}` gets its empty `properties` (but where arguments are written by a grammar); a `user` that is too long becomes a hash of it, the same each time.

A server that refuses `stream_options` is told apart by `"options": {"stream_options": {"include_usage": false}}`: then it is not sent, and the log has no counts.
"""


def _also(vendor: Vendor) -> str:
    if vendor.params is None:
        return "any" + (f" but {_code(vendor.refuses)}" if vendor.refuses else "")
    added = _code(vendor.params - COMMON)
    lacking = _code(COMMON - vendor.params)
    return f"common ones{', and ' + added if added else ''}{'; not ' + lacking if lacking else ''}"


def _code(names: frozenset[str] | tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def _thoughts(vendor: Vendor) -> str:
    if vendor.thinking_parts:
        return "parts of its own"
    if not vendor.thoughts:
        return "must not"
    names = " or ".join(f"`{name}`" for name in vendor.thoughts)
    return f"{names}{', must beside calls' if vendor.must_think else ''}"


def _rules(vendor: Vendor) -> str:
    rules = [f"`{ours}` is `{theirs}`" for ours, theirs in vendor.renames] + [
        f"{_code(names)} not at models `{pattern.pattern}`" for pattern, names in vendor.models
    ]
    for holds, words in (
        (vendor.efforts, f"efforts {_code(vendor.efforts)}"),
        (vendor.stops, f"{vendor.stops} texts in `stop`"),
        (vendor.marks, "reads marks for caches"),
        (vendor.cache_keys, "knows `prompt_cache_key`"),
        (not vendor.names, "no `name` of a message"),
        (not vendor.stream_options, "no `stream_options`: usage comes unasked"),
        (not vendor.empty_turns, "no empty turns"),
        (vendor.pairs, "calls and results in pairs"),
        (vendor.alternates, "turns alternate"),
        (vendor.joins, "texts as one string"),
        (vendor.pictures, "pictures in results"),
        (vendor.file_urls, "files by address"),
        (vendor.items, "arrays need `items`, no choice as outermost schema"),
        (vendor.any_of_alone, "no `type` beside `anyOf`"),
        (not vendor.strict_tools, "no strict tools"),
        (vendor.tool_names, "names of tools as OpenAI has them"),
        (vendor.call_id, f"ids of calls `{vendor.call_id.pattern if vendor.call_id else ''}`"),
    ):
        if holds:
            rules.append(words)
    if vendor.responses and vendor.responses_lack:
        rules.append(f"responses without {_code(vendor.responses_lack)}")
    if vendor.responses_sparse:
        rules.append("fields of responses and their events are filled in")
    return "; ".join(rules).replace("|", "\\|")


_COLUMNS: tuple[tuple[str, Callable[[Vendor], str]], ...] = (
    ("`vendor`", lambda vendor: f"`{vendor.name}`"),
    ("", lambda vendor: vendor.title),
    ("hosts", lambda vendor: _code(vendor.hosts)),
    ("unknown fields", lambda vendor: "refused" if vendor.strict else "pass"),
    ("limit", lambda vendor: "either" if vendor.limit == "either" else f"`{vendor.limit}`"),
    (
        "system",
        lambda vendor: {"anywhere": "anywhere", "apart": "one at a time", "first": "one, in front"}[
            vendor.system
        ],
    ),
    ("thinking back", _thoughts),
    (
        "`/responses`, `/completions`",
        lambda vendor: ", ".join(
            word
            for has, word in ((vendor.responses, "responses"), (vendor.completions, "completions"))
            if has
        ),
    ),
)


def page() -> str:
    """The text of the page."""
    rows = [VENDORS[name] for name in sorted(VENDORS)]
    table = _table([head for head, _ in _COLUMNS], [[make(row) for _, make in _COLUMNS] for row in rows])
    rules = _table(
        ["`vendor`", "parameters", "rules"], [[f"`{row.name}`", _also(row), _rules(row)] for row in rows]
    )
    common = f"The common parameters are {_code(COMMON)}."
    return f"{_HEAD}\n{table}\n## Rules\n\n{common}\n\n{rules}"


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    Path(PAGE).write_text(page(), "utf-8")
