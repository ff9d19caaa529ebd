"""docs/telemetry.md says what the program tells."""

from __future__ import annotations

import re
from pathlib import Path

from llm_proxy.telemetry.metrics.families import FAMILIES, OTEL_LABELS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "telemetry.md").read_text("utf-8")
TABLES = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|")
]


def test_every_metric_is_on_the_page() -> None:
    """Name, kind and labels of each, and of nothing else."""
    told = {
        (row[0].strip("`"), row[1], tuple(re.findall(r"`(\w+)`", row[2])))
        for row in TABLES
        if len(row) == 4 and row[0].startswith("`")
    }
    there = {
        (family.name + ("_total" if family.kind == "counter" else ""), family.kind, family.labels)
        for family in FAMILIES
        if not family.inside and family.only != "otel"
    }

    assert told == there


def test_every_name_of_the_conventions_is_on_the_page() -> None:
    """Those of the metrics, and of the labels."""
    told = {name for row in TABLES for name in re.findall(r"`(gen_ai_\w+)`", row[-1])}

    assert told == {family.otel for family in FAMILIES if family.otel} | set(OTEL_LABELS.values())
