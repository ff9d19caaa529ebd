"""The plots: what each policy came to, and how it went over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.simulation.run import Result

#: Ours in one colour, the others in greys: what is to be compared is seen at once.
_COLOURS = {
    "round robin": "#c9c9c9",
    "random": "#9e9e9e",
    "least connections": "#6b6b6b",
    "weighted": "#a6cee3",
    "balanced, no affinity": "#5b9bd5",
    "balanced": "#0b4f9c",
}
_WINDOWS = 48
_BARS: tuple[tuple[str, str, bool, Callable[[Result], float]], ...] = (
    ("first token, median (ms)", "lower is better", False, lambda one: one.quantile(0.5) * 1000),
    ("first token, 99th percentile (s)", "lower is better", True, lambda one: one.quantile(0.99)),
    ("failed requests (%)", "lower is better", False, lambda one: one.failures * 100),
    ("prompt tokens found in a cache (%)", "higher is better", False, lambda one: one.hits * 100),
)


def draw(found: Mapping[str, Sequence[Result]], folder: Path) -> None:
    """``policies.png`` and ``over-time.png`` in ``folder``."""
    mpl.use("Agg")
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    folder.mkdir(parents=True, exist_ok=True)
    _bars(found).savefig(folder / "policies.png", dpi=110)
    _over_time(found).savefig(folder / "over-time.png", dpi=110)
    plt.close("all")


def _bars(found: Mapping[str, Sequence[Result]]) -> Figure:
    figure, panels = plt.subplots(len(_BARS), 1, figsize=(11, 11), sharex=True, layout="constrained")
    names = [one.name for one in next(iter(found.values()))]
    width = 0.8 / len(names)
    for axes, (title, better, logarithmic, value) in zip(panels, _BARS, strict=True):
        for at, name in enumerate(names):
            heights = [value(results[at]) for results in found.values()]
            places = [place - 0.4 + width * (at + 0.5) for place in range(len(found))]
            axes.bar(places, heights, width * 0.92, color=_COLOURS[name], label=name)
        axes.set_title(f"{title}: {better}", loc="left", fontsize=10)
        axes.grid(axis="y", color="#e6e6e6")
        axes.set_axisbelow(True)
        if logarithmic:
            _seconds(axes)
        else:
            axes.set_ylim(bottom=0)
    panels[-1].set_xticks(range(len(found)), list(found))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=6, frameon=False)
    return figure


def _over_time(found: Mapping[str, Sequence[Result]]) -> Figure:
    rows = (len(found) + 1) // 2
    figure, panels = plt.subplots(
        rows, 2, figsize=(11, 2.6 * rows), sharey=True, layout="constrained", squeeze=False
    )
    flat = [axes for row in panels for axes in row]
    for axes, (scenario, results) in zip(flat, found.items(), strict=False):
        for one in results:
            if one.name in ("random", "weighted"):  # six lines hide each other
                continue
            times, worst = _windows(one)
            axes.plot(times, worst, color=_COLOURS[one.name], label=one.name, linewidth=1.6)
        _seconds(axes)
        axes.set_title(scenario, loc="left", fontsize=10)
        axes.grid(color="#ececec")
    for axes in flat[len(found) :]:
        axes.set_visible(False)
    figure.supylabel("99th percentile of the first token (s)")
    figure.supxlabel("minutes")
    handles, labels = flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False)
    return figure


def _seconds(axes: Axes) -> None:
    """From a third of a second to a minute, each step three times the one before."""
    axes.set_yscale("log")
    axes.set_yticks([0.3, 1, 3, 10, 30, 60], ["0.3", "1", "3", "10", "30", "60"])
    axes.minorticks_off()


def _windows(one: Result) -> tuple[list[float], list[float]]:
    """The 99th percentile in each of so many windows of equal length, by the time at which requests came (minutes)."""
    last = max(one.came)
    width = last / _WINDOWS
    parts: list[list[float]] = [[] for _ in range(_WINDOWS)]
    for came, wait in zip(one.came, one.waits, strict=True):
        parts[min(int(came / width), _WINDOWS - 1)].append(wait)
    known = [(at, sorted(part)) for at, part in enumerate(parts) if part]
    times = [(at + 0.5) * width / 60 for at, _ in known]
    return times, [part[min(len(part) - 1, int(0.99 * len(part)))] for _, part in known]
