"""Judges the site that was made: every link and anchor leads somewhere, and no page asks another origin for anything.

A link to another site is a link that somebody may follow; what a browser fetches by itself (scripts, styles, pictures, fonts, frames)
must lie beside the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: What a browser fetches without being asked.
_FETCHED = {
    ("audio", "src"), ("embed", "src"), ("iframe", "src"), ("img", "src"), ("img", "srcset"), ("input", "src"), ("object", "data"),
    ("script", "src"), ("source", "src"), ("source", "srcset"), ("video", "poster"), ("video", "src"),
}  # fmt: skip
_FETCHING_LINKS = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "modulepreload", "manifest"}
_IN_STYLES = re.compile(r"""(?:url\(\s*['"]?|@import\s+['"])((?:https?:)?//[^'")]+)""")


class _Page(HTMLParser):
    """``links``: what may be followed; ``fetched``: what a browser loads by itself; ``anchors``: the places of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = set()
        self.paragraphs: list[str] = []
        self._in_paragraph = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        for name, value in given.items():
            if (tag, name) in _FETCHED:
                self.fetched += [part.split()[0] for part in value.split(",") if part.strip()]
        if tag == "link" and _FETCHING_LINKS & set(given.get("rel", "").split()):
            self.fetched.append(given.get("href", ""))
        elif tag in ("a", "area") and "href" in given:
            self.links.append(given["href"])
        if tag == "p":
            self._in_paragraph = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "p":
            self._in_paragraph = False

    def handle_data(self, data: str) -> None:
        if self._in_paragraph:
            self.paragraphs.append(data)


def problems(site: Path) -> Iterator[str]:
    """What is wrong with the pages below ``site``, a sentence each."""
    pages = {path: _Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        here = path.relative_to(site)
        for target in page.fetched:
            if urlsplit(target).netloc:
                yield f"{here}: a browser would fetch {target} from another origin"
            elif not target.startswith("data:") and not _file(site, path, target).exists():
                yield f"{here}: {target} is not there"
        for target in page.links:
            yield from _link_problems(site, path, target, pages)
        for text in page.paragraphs:
            if re.search(r"(?m)^(\* |- |\d+\. |\|.*\|$)", text):
                yield f"{here}: a list or table that is shown as text; put an empty line before it: {text.strip()[:60]!r}"
    for style in sorted(site.rglob("*.css")):
        for target in _IN_STYLES.findall(style.read_text("utf-8")):
            yield f"{style.relative_to(site)}: a browser would fetch {target} from another origin"


def _link_problems(site: Path, path: Path, target: str, pages: dict[Path, _Page]) -> Iterator[str]:
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return
    here = path.relative_to(site)
    file = _file(site, path, target)
    if file.is_dir():
        file /= "index.html"
    if not file.exists():
        yield f"{here}: the link {target} leads nowhere"
    elif parts.fragment and file in pages and unquote(parts.fragment) not in pages[file].anchors:
        yield f"{here}: the link {target} leads to a place that is not on that page"


def _file(site: Path, path: Path, target: str) -> Path:
    name = unquote(urlsplit(target).path)
    return (
        (site / name.lstrip("/") if name.startswith("/") else path.parent / name).resolve() if name else path
    )
