"""``docs/reference/metrics.md``, from the table of the metrics. Pure."""

from __future__ import annotations

from llm_proxy.telemetry.metrics.families import FAMILIES, OTEL_LABELS, Family
from scripts.reference.tables import code, generated, table

_INTRO = """
What `GET /metrics` tells. How to scrape it, and what it is for: [Metrics, traces, log](../telemetry.md#metrics). Alerts and a board for Grafana lie under `deploy/prometheus` and
`deploy/grafana`.
"""


def _name(family: Family) -> str:
    return code(family.name + ("_total" if family.kind == "counter" else ""))


def _buckets(family: Family) -> str:
    return ", ".join(f"{bound:g}" for bound in family.ladder.bounds) if family.ladder else ""


def page() -> str:
    """The text of the page."""
    told = [family for family in FAMILIES if not family.inside]
    ours = [family for family in told if family.only != "otel"]
    rows = [(_name(family), family.kind, ", ".join(map(code, family.labels)), family.help) for family in ours]
    buckets = [(_name(family), _buckets(family)) for family in ours if family.ladder]
    otel = [(_name(family), code(family.otel)) for family in told if family.otel]
    otel += [(f"label {code(name)}", code(name_there)) for name, name_there in OTEL_LABELS.items()]
    return (
        generated("Reference: metrics", "llm_proxy/telemetry/metrics/families.py", _INTRO)
        + "\n" + table(("name", "kind", "labels", "what it says"), rows)
        + "\n## Buckets of the histograms\n\nUpper bounds, in seconds.\n\n" + table(("name", "buckets"), buckets)
        + "\n## With LLM_PROXY_API_METRICS_NAMES=otel\n\nNames of OpenTelemetry's GenAI conventions, where they exist.\n\n"
        + table(("ours", "there"), otel)
    )  # fmt: skip
