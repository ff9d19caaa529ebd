"""``python -m scripts.site``: lay the pages out, build the site, judge its links. ``make docs`` runs it.

It ends with status 1 and a sentence for each problem: a page outside of the navigation, a link or an anchor that leads nowhere,
anything that a browser would fetch from elsewhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.site import links, pages

ROOT = Path(__file__).resolve().parent.parent.parent
STAGED = ROOT / "build" / "site-pages"
SITE = ROOT / "site"


def lay_out(root: Path, target: Path) -> None:
    """Every page, every picture and every file that a page links, below ``target``.

    Raises ``SystemExit`` for a link to a file that is not there."""
    shutil.rmtree(target, ignore_errors=True)
    sources = [
        *pages.OUTSIDE,
        *sorted(path.relative_to(root).as_posix() for path in (root / "docs").rglob("*.md")),
    ]
    wanted = dict.fromkeys(sources)
    missing = []
    for source in sources:
        text = (root / source).read_text("utf-8")
        for found in pages.targets(text):
            linked = pages.resolved(source, found)
            if pages.is_foreign(found):
                continue
            if not (root / linked).is_file():
                missing.append(f"{source}: the link {found} leads to no file")
            wanted[linked] = None
    if missing:
        sys.exit("\n".join(missing))
    for source in wanted:
        place = target / pages.place(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.suffix != ".md":
            shutil.copyfile(root / source, place)
            continue
        text = (root / source).read_text("utf-8")
        place.write_text(
            pages.staged(source, text) if source in sources else pages.shown(source, text), "utf-8"
        )
    shutil.copytree(root / "scripts/site/assets", target / "assets")


def main() -> None:
    lay_out(ROOT, STAGED)
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "-f", "scripts/site/mkdocs.yml"]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # the theme's news for whoever installs it
    built = subprocess.run(command, cwd=ROOT, env=quiet, check=False)
    if built.returncode:
        sys.exit(built.returncode)
    found = list(links.problems(SITE))
    if found:
        sys.exit("\n".join(found))
    count = sum(1 for _ in SITE.rglob("*.html"))
    print(f"{count} pages in {SITE.relative_to(ROOT)}/. To read them: python -m http.server -d site 8000")


if __name__ == "__main__":
    main()
