"""``python -m scripts.reference``: write the pages below ``docs/reference`` from the code, and ``docs/performance.md`` from the last measurement. ``make reference`` runs it; a test keeps them current."""

from __future__ import annotations

from pathlib import Path

from scripts.reference import (
    commands_page,
    fields_pages,
    metrics_page,
    performance_page,
    settings_page,
    wire_pages,
)

FOLDER = Path(__file__).resolve().parent.parent.parent / "docs" / "reference"
PAGES = {
    "../images/performance.svg": performance_page.picture,
    "../performance.md": performance_page.page,
    "../commands.md": commands_page.page,
    "access.md": fields_pages.access_page,
    "endpoints.md": wire_pages.endpoints_page,
    "errors.md": wire_pages.errors_page,
    "headers.md": wire_pages.headers_page,
    "metrics.md": metrics_page.page,
    "models.md": fields_pages.models_page,
    "settings.md": settings_page.page,
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
