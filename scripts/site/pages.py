"""The pages of the repository as the site shows them: which file becomes which page, and what changes in its text.

Pages are written for whoever reads them in the repository: links go to files, and the language of a fence may be followed by words for
the tests. Here both become what the site's generator understands. A file that is linked and is no page (an example, a unit for systemd) becomes one that shows it.

Pure: texts in, texts out. Reading and writing is ``scripts.site.__main__``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

#: Pages that do not lie in ``docs/``: what they are called on the site.
OUTSIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "benchmarks/README.md": "benchmarks/README.md",
    "benchmarks/RESULTS.md": "benchmarks/RESULTS.md",
    "benchmarks/ROUTING.md": "benchmarks/ROUTING.md",
    "benchmarks/SOAK.md": "benchmarks/SOAK.md",
    "examples/README.md": "examples/README.md",
}
_PICTURES = (".png", ".svg", ".jpg")
_LANGUAGES = {
    ".conf": "nginx",
    ".js": "javascript",
    ".json": "json",
    ".mjs": "javascript",
    ".py": "python",
    ".service": "ini",
    ".sh": "bash",
    ".socket": "ini",
    ".toml": "toml",
    ".yaml": "yaml",
    ".yml": "yaml",
}
_FENCE = re.compile(r"^(\s*)(`{3,}|~{3,})(.*)$")
_LINK = re.compile(r"(\]\()([^)\s]+)(\))|((?:src|srcset|href)=\")([^\"]+)(\")")
_FOREIGN = re.compile(r"^([a-z][a-z0-9+.-]*:|#|//)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fence:
    """A block of code: ``line`` counts from 1, ``words`` are what follows the language."""

    line: int
    language: str
    words: str
    body: str


def fences(text: str) -> Iterator[Fence]:
    """The blocks of code of a page, in order."""
    begun: tuple[int, str, str] | None = None
    body: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        mark = _FENCE.match(line)
        if begun is None:
            if mark is not None:
                begun, body = (number, mark[2], mark[3].strip()), []
        elif mark is not None and mark[2].startswith(begun[1]) and not mark[3].strip():
            language, _, words = begun[2].partition(" ")
            yield Fence(begun[0], language, words.strip(), "\n".join(body))
            begun = None
        else:
            body.append(line)


def outside_fences(text: str, change: Callable[[str], str]) -> str:
    """``text`` with each line outside of its blocks of code changed, and the words for the tests taken from their first lines."""
    found, mark = [], ""
    for line in text.split("\n"):
        fence = _FENCE.match(line)
        if fence is not None and not mark:
            mark = fence[2]
            found.append(fence[1] + fence[2] + fence[3].strip().partition(" ")[0])
        elif fence is not None and fence[2].startswith(mark) and not fence[3].strip():
            mark = ""
            found.append(line)
        else:
            found.append(line if mark else change(line))
    return "\n".join(found)


def place(path: str) -> str:
    """Where a file of the repository stands on the site; one that is no page and no picture as a page that shows it."""
    if path in OUTSIDE:
        return OUTSIDE[path]
    if path.startswith("docs/") and path.endswith((".md", *_PICTURES)):
        return path.removeprefix("docs/")
    return path if path.endswith(_PICTURES) else f"files/{path}.md"


def targets(text: str) -> Iterator[str]:
    """What the links of a page lead to, as they stand there."""
    found: list[str] = []

    def collect(line: str) -> str:
        found.extend(match[2] or match[5] for match in _LINK.finditer(_without_code(line)))
        return line

    outside_fences(text, collect)
    yield from found


def _without_code(line: str) -> str:
    """``line`` with what stands between backticks blanked: what looks like a link there is none."""
    return re.sub(r"(`+)(?!`).+?\1", lambda code: " " * len(code[0]), line)


def is_foreign(target: str) -> bool:
    """Whether it leads out of the repository, or stays on its page."""
    return _FOREIGN.match(target) is not None


def resolved(path: str, target: str) -> str:
    """The file of the repository that ``target`` means on the page ``path``, without its anchor."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target.partition("#")[0]))


def staged(path: str, text: str) -> str:
    """The page ``path`` as the site's generator takes it."""
    here = posixpath.dirname(place(path))

    def moved(target: str) -> str:
        if is_foreign(target):
            return target
        _, mark, anchor = target.partition("#")
        return posixpath.relpath(place(resolved(path, target)), here or ".") + mark + anchor

    def line_of(line: str) -> str:
        blank, found, at = _without_code(line), [], 0
        for match in _LINK.finditer(blank):
            group = 2 if match[2] else 5
            begin, end = match.span(group)
            found += [line[at:begin], moved(line[begin:end])]
            at = end
        return "".join(found) + line[at:]

    return outside_fences(text, line_of)


def shown(path: str, text: str) -> str:
    """A page that shows the file ``path``."""
    name = posixpath.basename(path)
    language = _LANGUAGES.get(posixpath.splitext(name)[1], "dockerfile" if name == "Dockerfile" else "text")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"^`{3,}", text, re.MULTILINE)), default=0))
    return f"---\nsearch:\n  exclude: true\n---\n\n# {name}\n\n`{path}` in the repository.\n\n{fence}{language}\n{text.rstrip()}\n{fence}\n"
