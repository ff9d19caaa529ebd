"""The plots of growth: ``python benchmarks/growth/draw.py FIGURES FOLDER``. Needs matplotlib and nothing else, not even the gateway.

One colour for each line, named where it ends; a band from the least to the greatest of the runs; axes that begin at zero.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

_BLUE, _LIGHT, _ORANGE, _GREY = "#0b4f9c", "#5b9bd5", "#d9822b", "#8c8c8c"
_COLOURS = {
    "gateway": _BLUE,
    "vllm-router": _GREY,
    "models": _BLUE,
    "keys": _ORANGE,
    "prompts": _LIGHT,
    "models and prompts": _BLUE,
}
#: File: its panels, each a curve, a title, the unit of the y axis, what the x axis counts, and whether that grows tenfold by tenfold.
_PLOTS: dict[str, Sequence[tuple[str, str, str, str, bool]]] = {
    "growth-tokens.png": [
        ("token", "CPU of a token, 4,000 tokens a second in all", "microseconds", "open streams", True),
    ],
    "growth-requests.png": [
        (
            "requests",
            "CPU of a request that is not streamed",
            "microseconds",
            "models, keys or prompts",
            True,
        ),
    ],
    "growth-memory.png": [
        ("streams", "memory that silent streams take", "MiB", "open streams", False),
        ("started", "memory after the start", "MiB", "models, keys or prompts", False),
    ],
    "growth-reload.png": [
        ("effect", "an edit: from rename to effect", "milliseconds", "models and prompts, or keys", True),
        ("held", "an edit: loop held, worst", "milliseconds", "models and prompts, or keys", True),
    ],
}


def draw(file: Path, folder: Path) -> None:
    """Every plot whose curves are there."""
    mpl.use("Agg")
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    curves = json.loads(file.read_text("utf-8"))["curves"]
    for name, panels in _PLOTS.items():
        if not all(curve in curves for curve, *_ in panels):
            continue
        figure, places = plt.subplots(
            1,
            len(panels),
            figsize=(6.6 if len(panels) == 1 else 11, 3.9),
            layout="constrained",
            squeeze=False,
        )
        for axes, (curve, *words, tenfold) in zip(places[0], panels, strict=True):
            _panel(axes, curves[curve], *words, tenfold=tenfold)
        figure.savefig(folder / name, dpi=120)
        plt.close(figure)


def _panel(axes: Axes, lines: dict[str, Any], title: str, unit: str, what: str, *, tenfold: bool) -> None:
    ends = []
    for name, points in lines.items():
        sizes = sorted(map(int, points))
        runs = [points[str(size)] for size in sizes]
        middle = [median(values) for values in runs]
        colour = _COLOURS[name]
        axes.plot(sizes, middle, color=colour, linewidth=1.8, marker="o", markersize=3.5)
        if any(len(values) > 1 for values in runs):
            axes.fill_between(
                sizes, list(map(min, runs)), list(map(max, runs)), color=colour, alpha=0.13, linewidth=0
            )
        ends.append((middle[-1], name, colour, sizes[-1]))
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(what)
    axes.set_ylabel(unit)
    if tenfold:
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color="#e6e6e6")
    axes.set_axisbelow(True)
    _named(axes, ends)


def _named(axes: Axes, ends: list[tuple[float, str, str, int]]) -> None:
    """Each line's name right of its end, apart from each other."""
    step = axes.get_ylim()[1] * 0.075
    least = 0.0
    for value, name, colour, size in sorted(ends):
        at = max(value, least)
        least = at + step
        axes.annotate(
            name,
            (size, at),
            xytext=(8, 0),
            textcoords="offset points",
            color=colour,
            va="center",
            annotation_clip=False,
        )


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
