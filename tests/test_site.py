"""The documentation site: what becomes of a page, and that every link in the repository's pages leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.site import links
from scripts.site.__main__ import ROOT, lay_out
from scripts.site.pages import OUTSIDE, fences, is_foreign, place, resolved, shown, staged, targets

pytestmark = pytest.mark.one_python("pages and their samples are the same for every Python")

PAGES = sorted([*OUTSIDE, *(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))])


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub names them."""
    bare, mark = [], ""
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            mark = "" if mark else "```"
        elif not mark and re.match(r"#{1,6} ", line):
            bare.append(line.lstrip("#").strip())
    found = [
        re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", head).lower()).replace(" ", "-")
        for head in bare
    ]
    return {*found, *(f"{name}-{count}" for name in found for count in range(1, found.count(name)))}


@pytest.mark.parametrize("page", PAGES)
def test_links_in_the_repository(page: str) -> None:
    """Each link of a page leads to a file that is there, and its anchor to a heading of it."""
    text = (ROOT / page).read_text("utf-8")
    wrong = []
    for target in targets(text):
        if is_foreign(target) and not target.startswith("#"):
            continue
        file = ROOT / (page if target.startswith("#") else resolved(page, target))
        anchor = target.partition("#")[2]
        if not file.exists() or (
            anchor and file.suffix == ".md" and anchor not in anchors(file.read_text("utf-8"))
        ):
            wrong.append(target)

    assert wrong == []


def test_pages_and_navigation_agree() -> None:
    """Every page has its place in the navigation, and nothing else has one."""
    config = (ROOT / "scripts/site/mkdocs.yml").read_text("utf-8").partition("\nnav:")[2]
    listed = re.findall(r"^ +- [^#\n]*: (\S+\.md)$", config, re.MULTILINE)

    assert sorted(listed) == sorted(place(page) for page in PAGES)


def test_what_becomes_of_a_page() -> None:
    """Links go to where their files are on the site, words for the tests leave the fences, code stays as it is."""
    text = (
        "See [the README](../README.md#run-it), [`x`](routing.md), [a](../examples/curl.sh), `[no](link.md)`, [out](https://x.y/z.md).\n"
        "```json config\n[not](me.md)\n```\n"
    )

    assert staged("docs/settings.md", text) == (
        "See [the README](index.md#run-it), [`x`](routing.md), [a](files/examples/curl.sh.md), `[no](link.md)`, [out](https://x.y/z.md).\n"
        "```json\n[not](me.md)\n```\n"
    )
    assert "(../settings.md)" in staged("docs/reference/settings.md", "[s](../settings.md)")
    assert '<img src="images/a.svg">' in staged("README.md", '<img src="docs/images/a.svg">')
    assert [(fence.language, fence.words, fence.body) for fence in fences(text)] == [
        ("json", "config", "[not](me.md)")
    ]
    assert "````text\n```\n````" in shown("deploy/x.txt", "```\n")


def test_what_the_check_finds(tmp_path: Path) -> None:
    """A dead link, a dead anchor, anything fetched from elsewhere, and a list that is shown as text."""
    (tmp_path / "a.html").write_text(
        '<link rel="stylesheet" href="https://fonts.example/x.css"><script src="//cdn.example/x.js"></script><img src="b.png">'
        '<a href="b.html">x</a><a href="#here">x</a><a href="#there">x</a><a href="https://ok.example">x</a><i id="here"></i>'
        "<p>Points:\n* one</p>"
    )
    (tmp_path / "a.css").write_text("@font-face{src:url(https://fonts.example/f.woff)}")
    found = "\n".join(links.problems(tmp_path))

    for word in (
        "fonts.example/x.css",
        "cdn.example",
        "b.png is not there",
        "b.html",
        "#there",
        "f.woff",
        "a list",
    ):
        assert word in found, word
    assert found.count("\n") == 6


def test_everything_is_laid_out(tmp_path: Path) -> None:
    """Each page, picture and linked file is there for the generator."""
    lay_out(ROOT, tmp_path / "pages")

    assert all((tmp_path / "pages" / place(page)).exists() for page in PAGES)
    assert (tmp_path / "pages/assets/extra.css").exists()
