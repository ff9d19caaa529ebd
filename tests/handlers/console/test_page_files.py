"""The console's own files, as they lie in the repository: what they may hold, how large they are, where the one that is not ours comes from."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from handlers.console.files import FOLDER

OURS = sorted(path for path in FOLDER.rglob("*.*") if path.parent == FOLDER)
SCRIPTS = [path for path in OURS if path.suffix == ".js"]
#: uPlot 1.6.32 from npm: dist/uPlot.iife.min.js and LICENSE.
VENDORED = {
    "uplot.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uplot.license.txt": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}
#: Bytes, as they are sent to a browser that takes no gzip: of all files of the page together.
ALL = 150_000


def test_the_vendored_file_is_as_it_was_published() -> None:
    """uPlot is the published file, byte for byte, with its licence; nothing else in it is not ours."""
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (FOLDER / "vendor").iterdir()
    }

    assert found == VENDORED
    assert "MIT" in (FOLDER / "vendor" / "uplot.license.txt").read_text()


def test_how_large_it_is() -> None:
    """All files of the page together, the library's and its licence too, need less than 150 kB, uncompressed."""
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < ALL


def test_scripts_are_set_alike() -> None:
    """One style in all files that are ours: tabs."""
    for path in (*SCRIPTS, FOLDER / "console.css"):
        assert not re.search(r"^\t* +(?!\*)", path.read_text("utf-8"), re.MULTILINE), path


def _with_imports(script: Path) -> set[Path]:
    """A module and those that it needs, and they need."""
    found, left = set[Path](), [script]
    while left:
        if (one := left.pop()) not in found:
            found.add(one)
            left += [FOLDER / name for name in re.findall(r'from "\./([a-z]+\.js)"', one.read_text())]
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_set_texts(script: Path) -> None:
    """No script parses HTML, runs text, or names another address."""
    text = script.read_text("utf-8")

    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|DOMParser|document\.write|\beval\b|new Function", text
    )
    assert not re.search(r"https?://", text)


def test_the_page_has_nothing_inline() -> None:
    """Neither styles nor scripts stand in the page; all that it names is relative and there."""
    text = (FOLDER / "console.html").read_text("utf-8")

    assert not re.search(r"<style|\sstyle=|\son\w+=|<script>", text)
    for target in re.findall(r'(?:href|src)="([^"#]+)"', text):
        assert target == "docs" or (FOLDER / target.removeprefix("console/")).is_file(), target


def test_each_script_is_used() -> None:
    """Every module is a page, or is imported by one; what is imported is there."""
    pages = re.findall(r'href="#/([a-z]+)"', (FOLDER / "console.html").read_text("utf-8"))
    used = set().union(*(_with_imports(FOLDER / f"{name}.js") for name in {*pages, "app"}))

    assert used | {FOLDER / "theme.js"} == set(SCRIPTS)
