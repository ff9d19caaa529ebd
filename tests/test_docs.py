"""The pages of docs/ say what the code says: rooms, settings, fields."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from llm_proxy.live.config.fields import Row
from llm_proxy.settings import PREFIX, Settings

pytestmark = pytest.mark.one_python("pages and their samples are the same for every Python")

ROOT = Path(__file__).resolve().parent.parent


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table below ``heading``."""
    text = (ROOT / "docs" / page).read_text("utf-8").partition(heading)[2]
    found = []
    for line in text.splitlines():
        if line.startswith("|"):
            found.append([cell.strip() for cell in line.strip("|").split("|")])
        elif found:
            break
    return found[2:]


def test_rooms() -> None:
    """The architecture page lists the rooms of the tree, in the order of the import contracts."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (layers,) = [c for c in settings["tool"]["importlinter"]["contracts"] if c["id"] == "layers"]
    listed = [
        room for (cell, _) in rows("architecture.md", "## The rooms") for room in re.findall(r"[\w.]+", cell)
    ]
    core = ROOT / "llm_proxy"
    there = {
        f"llm_proxy.{path.stem}"
        for path in core.iterdir()
        if (path.suffix == ".py" and path.name != "__init__.py") or (path / "__init__.py").exists()
    }

    assert set(listed) == there | {"handlers", "providers"}
    assert listed == re.findall(r"[\w.]+", " ".join(layers["layers"]))


def test_doors() -> None:
    """The doors that the page names are modules; no module and package of one name stand side by side."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    doors = re.search(r"named for what it does: (.*?)\.\n", text, re.DOTALL)
    assert doors is not None
    for door in re.findall(r"`([a-z_/]+)`", doors[1]):
        assert (ROOT / "llm_proxy" / f"{door}.py").exists(), door
    packages = [path.parent for path in (ROOT / "llm_proxy").rglob("__init__.py")]
    assert len([path for path in (ROOT / "llm_proxy").iterdir() if (path / "__init__.py").exists()]) <= 13
    assert not [path for path in packages if path.with_suffix(".py").exists()]


def test_settings() -> None:
    """The settings page has every variable once, with its default."""
    told: dict[str, str] = {}
    text = (ROOT / "docs" / "settings.md").read_text("utf-8")
    for line in re.findall(rf"^\| (`{PREFIX}.*) \|$", text, re.MULTILINE):
        names, _, default = re.split(r" \| ?", line)
        found = [name.removeprefix(PREFIX).lower() for name in re.findall(r"`(\w+)`", names)]
        defaults = re.findall(r"`([^`]*)`", default)
        assert not told.keys() & set(found)
        told |= dict(zip(found, defaults if len(defaults) == len(found) else [""] * len(found), strict=True))

    assert told.keys() == Settings.model_fields.keys()
    for name, default in told.items():
        value = Settings.model_fields[name].default
        if default and not isinstance(value, bool) and value is not None:
            assert default == (f"{value:g}" if isinstance(value, float) else str(value)), name


def test_fields() -> None:
    """The configuration page has every field of a model."""
    told = {
        name
        for cells in rows("configuration.md", "## Fields of a model")
        for name in re.findall(r"`(\w+)`", cells[0])
    }

    assert told == {field.alias or name for name, field in Row.model_fields.items()}
