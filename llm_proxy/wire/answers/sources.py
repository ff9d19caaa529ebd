"""Where an answer has its facts from, as canonical ``annotations`` (``url_citation``), whatever the vendor calls them.

Laws: each source is told once; one whose place in the text the vendor does not tell belongs to all of the text before
it. Annotations of other kinds stay as they are. Pure.

Sources: platform.openai.com/docs/guides/tools-web-search (``url_citation``), docs.perplexity.ai (``citations``,
``search_results``), docs.x.ai (``citations``), docs.z.ai (``web_search``), Hunyuan and DashScope (``search_info``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_Json = dict[str, Any]

#: Fields beside ``choices``, or of a message, that list sources.
FIELDS = frozenset({"citations", "search_results", "web_search", "search_info", "references"})


def listed(value: _Json) -> Iterator[_Json]:
    """The sources, with ``url`` and perhaps ``title``, in the fields of ``value`` that list them."""
    # The richer lists come first: a bare list of addresses beside one says nothing more.
    for name in ("search_results", "web_search", "search_info", "references", "citations"):
        found = value.get(name)
        if isinstance(found, dict):
            found = found.get("search_results")
        for item in found if isinstance(found, list) else ():
            if (source := _source(item)) is not None:
                yield source


def _source(item: Any) -> _Json | None:
    if isinstance(item, str):
        item = {"url": item}
    if not isinstance(item, dict):
        return None
    url = next((item[key] for key in ("url", "link", "uri") if isinstance(item.get(key), str)), "")
    title = item.get("title")
    if not url.startswith(("http://", "https://")):
        return None
    return {"url": url, **({"title": title} if isinstance(title, str) else {})}


class Annotations:
    """The annotations of one answer while they come in."""

    def __init__(self) -> None:
        self._told: set[tuple[Any, ...]] = set()
        #: Addresses that were told, at whatever place.
        self._urls: set[str] = set()

    def of(self, given: Any, length: int) -> list[_Json]:
        """Those of a field ``annotations`` that are new; ``length`` is that of the text so far."""
        found = []
        for item in given if isinstance(given, list) else [given]:
            if isinstance(item, dict) and (annotation := _nested(item, length)) is not None:
                inner = annotation.get("url_citation")
                key = (
                    (inner["url"], inner["start_index"], inner["end_index"])
                    if inner
                    else (repr(sorted(item.items(), key=str)),)
                )
                if key not in self._told:
                    self._told.add(key)
                    self._urls.add(inner["url"] if inner else "")
                    found.append(annotation)
        return found

    def listed(self, value: _Json, length: int) -> list[_Json]:
        """The sources that ``value`` lists (see ``listed``) and that no annotation has told."""
        found = []
        for source in listed(value):
            if source["url"] not in self._urls:
                self._urls.add(source["url"])
                found.append(citation(source["url"], source.get("title", ""), 0, length))
        return found


def citation(url: str, title: str, start: int, end: int) -> _Json:
    """One source of the text from ``start`` to ``end``, in characters."""
    inner = {"start_index": start, "end_index": end, "title": title, "url": url}
    return {"type": "url_citation", "url_citation": inner}


def _nested(item: _Json, length: int) -> _Json | None:
    """An annotation in the form that chat completions have; the Responses API's flat one, and Mistral's, are taken too."""
    kind = item.get("type")
    if kind not in ("url_citation", "tool_reference", None):
        return item
    given = item.get("url_citation")
    inner = given if isinstance(given, dict) else {key: value for key, value in item.items() if key != "type"}
    url = inner.get("url")
    if not isinstance(url, str):
        return item if kind else None
    start, end = inner.get("start_index"), inner.get("end_index")
    if type(start) is not int or type(end) is not int:
        start, end = 0, length
    title = inner.get("title")
    more = {
        key: value for key, value in inner.items() if key not in ("url", "title", "start_index", "end_index")
    }
    made = citation(url, title if isinstance(title, str) else "", start, end)
    return {**made, "url_citation": {**more, **made["url_citation"]}}
