"""What was simulated, replayed or calibrated, drawn. The only place that knows matplotlib, an extra that few need.

The same data give the same file: no date, no random name in it. Thresholds are drawn where a decision hangs on one.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from canary.errors import CanaryError, Problem

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES: Final = (".svg", ".png")
BLUE, ORANGE, GREEN, RED, GREY, INK = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#8c8c8c", "#333333"
COLOURS: Final[Mapping[str, str]] = {
    "Promoted": GREEN,
    "Pass": GREEN,
    "RolledBack": RED,
    "Fail": RED,
    "Hold": ORANGE,
}
"""Of outcomes and verdicts; told apart also by those who see few colours (Okabe and Ito)."""
STYLE: Final[Any] = {
    "svg.hashsalt": "canary",
    "svg.fonttype": "path",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.edgecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "savefig.dpi": 130.0,
}
FLOOR: Final = 1e-3  # odds below are drawn there
CEILING: Final = 1e4
LEAST: Final = 0.01  # of what is wanted at most, drawn there
MULTIPLES: Final = (0.01, 0.1, 0.5, 1.0, 2.0)
ODDS: Final = "odds (to 1), drawn up to 10⁴"
Line: TypeAlias = Sequence[tuple[float, float]]


@dataclass(slots=True)
class Moment:
    """One tick of a rollout. Counts are sums since its begin; `against` and `passing` are odds."""

    t: float
    weight: int
    canary: tuple[float, float]
    stable: tuple[float, float]
    against: float
    passing: float


@dataclass(slots=True)
class Trace:
    """The odds of one replayed episode, tick by tick: merged, and of each gate against the release and for it."""

    name: str
    decision: str = ""
    merged: list[tuple[float, float]] = field(default_factory=list)
    against: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    passing: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


def ready(file: Path | None) -> None:
    """Refuse what cannot be drawn before anything is computed. Raises CanaryError."""
    if file is None:
        return
    if file.suffix not in SUFFIXES:
        raise CanaryError(str(Problem("--plot", file.name, "a file that ends in " + " or ".join(SUFFIXES))))
    if find_spec("matplotlib") is None:
        raise CanaryError("--plot needs matplotlib, which comes with an extra: from a clone, pip install '.[plot]'")


def save(draw: "Callable[[Figure], None]", file: Path, size: tuple[float, float] = (8.0, 6.0)) -> None:
    """Draw into a file. Raises CanaryError where it cannot be written."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        metadata: dict[str, Any] = {"Date": None} if file.suffix == ".svg" else {"Software": None}
        try:
            figure.savefig(file, metadata=metadata)
        except OSError as error:
            raise CanaryError(f"{file}: {error.strerror or error}") from error


def story(figure: "Figure", moments: Sequence[Moment], title: str, decide: tuple[float, float]) -> None:
    """Draw one rollout: its weight, what failed on both sides, and the odds. `decide`: against at, for at."""
    weight, failed, odds = figure.subplots(3, 1, sharex=True, height_ratios=(2, 2, 3))
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    times = [moment.t for moment in moments]
    weight.step(times, [moment.weight / 10 for moment in moments], where="post", color=BLUE)
    weight.set(ylabel="weight of the\nrelease (%)", ylim=(-3, 103))
    for side, colour in (("canary", RED), ("stable", GREY)):
        line = [(m.t, 100 * f / n) for m in moments for n, f in (getattr(m, side),) if n]
        failed.plot(*_columns(line), color=colour, label="release" if side == "canary" else "stable")
    failed.set_ylabel("failed so far (%)")
    failed.set_ylim(bottom=0)
    failed.legend(loc="upper left")
    _odds(odds, [(m.t, m.against) for m in moments], RED, "against the release")
    _odds(odds, [(m.t, m.passing) for m in moments], GREEN, "for it: the gate that lacks most")
    _threshold(odds, decide[0], RED, "rolled back")
    _threshold(odds, decide[1], GREEN, "passes")
    odds.set(xlabel="seconds since the release was shipped", ylabel=ODDS)
    odds.legend(loc="upper left")


def distribution(figure: "Figure", runs: Mapping[str, Sequence[tuple[float, float]]], title: str) -> None:
    """Draw how many rollouts end: by outcome, the seconds each took and the failed requests it cost."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    total = sum(len(group) for group in runs.values())
    for axes, part, label in zip(
        figure.subplots(2, 1), (0, 1), ("seconds until the end", "failed requests because of it"), strict=True
    ):
        for outcome, group in runs.items():
            values = sorted(run[part] for run in group)
            shares = [100 * (number + 1) / total for number in range(len(values))]
            colour = COLOURS.get(outcome.partition(" ")[0], ORANGE)
            middle = values[math.ceil(len(values) / 2) - 1]
            told = f"{outcome}: {len(values) / total:.1%}, median {middle:.0f}"
            axes.step([values[0], *values], [0.0, *shares], where="post", color=colour, label=told)
            axes.plot([middle], [50 * len(values) / total], "o", color=colour, markersize=4)
        axes.set(xlabel=label, ylabel="share of all\nrollouts, up to (%)", ylim=(0, 103))
        axes.set_xlim(left=0)
        axes.legend(loc="lower right")


def replayed(figure: "Figure", traces: Sequence[Trace], title: str, decide: tuple[float, float]) -> None:
    """Draw the odds of many episodes over time: merged, and gate by gate, against the release and for it."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    names = list(dict.fromkeys(name for trace in traces for name in trace.against))
    rows = figure.subplots(len(names) + 1, 2, sharex=True, squeeze=False)
    (merged, legend), *gates = rows
    merged.set_title("all gates: against the release")
    _threshold(merged, decide[0], RED, "rolled back")
    legend.axis("off")
    for (left, right), name in zip(gates, names, strict=True):
        left.set_title(f"{name}: against")
        right.set_title(f"{name}: for the release")
        _threshold(right, decide[1], GREEN, "passes")
    alpha = max(0.15, min(1.0, 8 / max(1, len(traces))))
    for trace in traces:
        colour = COLOURS.get(trace.decision, GREY)
        _odds(merged, trace.merged, colour, alpha=alpha)
        for (left, right), name in zip(gates, names, strict=True):
            _odds(left, trace.against.get(name, ()), colour, alpha=alpha)
            _odds(right, trace.passing.get(name, ()), colour, alpha=alpha)
    for decision in ("Fail", "Pass", "Hold"):
        count = sum(trace.decision == decision for trace in traces)
        legend.plot([], [], color=COLOURS[decision], label=f"{decision}: {count} of {len(traces)}")
    legend.legend(loc="center left", title="each line is an episode", alignment="left")
    for left, right in gates[-1:] or rows:
        left.set_xlabel("t (s)")
        right.set_xlabel("t (s)")
    for left, right in rows:
        left.set_ylabel("odds (to 1)")
        right.set_ylabel("odds (to 1)")
        for axes in (left, right):
            low, high = axes.get_ylim()
            axes.set_ylim(min(low, 0.5), max(high, 200.0))


def targets(figure: "Figure", parts: Mapping[str, Sequence[tuple[float, bool]]], title: str) -> None:
    """Draw how the targets were met: of each its figures, as parts of what they may be at most, and whether met."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    axes = figure.subplots()
    names = list(parts)[::-1]
    for row, name in enumerate(names):
        for met, colour, marker in ((True, GREEN, "o"), (False, RED, "X")):
            values = [min(100.0, max(LEAST, got)) for got, kept in parts[name] if kept is met]
            axes.plot(values, [row] * len(values), marker, color=colour, alpha=0.6, markersize=6)
        edge = sum(got <= LEAST for got, _ in parts[name])
        if edge > 1:
            axes.annotate(f"{edge} figures", (LEAST, row), xytext=(6, -3), textcoords="offset points", fontsize=8)
    axes.axvline(1.0, color=INK, linestyle="--", linewidth=1)
    axes.annotate(
        "the most that is wanted",
        (1, 1),
        xycoords=("data", "axes fraction"),
        xytext=(3, -10),
        textcoords="offset points",
        fontsize=8,
    )
    axes.set_xscale("log")
    axes.set(xlabel=f"got, as a multiple of the most that is wanted ({LEAST:g} and less: at the left edge)")
    axes.set_xticks(MULTIPLES, [f"{multiple:g}" for multiple in MULTIPLES])
    axes.set_yticks(range(len(names)), [fill(name, 36) for name in names])
    for label, colour, marker in (("met", GREEN, "o"), ("missed", RED, "X")):
        axes.plot([], [], marker, color=colour, label=label)
    figure.legend(loc="outside lower center", ncols=2)


def _odds(axes: "Axes", line: Line, colour: str, label: str = "", alpha: float = 1.0) -> None:
    shown = [(t, min(CEILING, max(FLOOR, value))) for t, value in line]
    axes.plot(*_columns(shown), color=colour, label=label or "_", alpha=alpha)
    axes.set_yscale("log")


def _threshold(axes: "Axes", value: float, colour: str, told: str) -> None:
    axes.axhline(value, color=colour, linestyle="--", linewidth=1)
    axes.annotate(
        f"{told} at {value:.0f}:1",
        (1, value),
        xycoords=("axes fraction", "data"),
        xytext=(-3, 2),
        textcoords="offset points",
        ha="right",
        color=colour,
        fontsize=8,
    )


def _columns(line: Line) -> tuple[list[float], list[float]]:
    return [t for t, _ in line], [value for _, value in line]
