"""Draws the figures of `docs/decisions.md` from `docs/calibration.json`, and one simulated rollout as a story.

Run by `scripts/decisions.py`, with and without `--render`. The same results give the same files.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from canary.cli import drawing, plots
from canary.cli.calibrate import default_canary
from canary.cli.plots import BLUE, GREEN, GREY, INK, ORANGE, RED
from canary.core.manifest import parse_spec
from canary.simulator.rollout import play
from canary.simulator.scenario import Release, Scenario

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOCS: Final = Path(__file__).parents[1] / "docs"
MARKS: Final = ((BLUE, "o"), (GREEN, "D"), (RED, "s"), (ORANGE, "s"), (INK, "^"), (GREY, "^"))
"""Of our two policies, Flagger's two rules, and Argo's two."""
OURS: Final = {"steps": "canary, default steps", "ramp": "canary, ramp: {budget: 100}"}
BAD: Final = ("2% at 100 rps", "20% at 10 rps", "5% at 100 rps", "5% at 1000 rps", "100% at 1000 rps")
SECONDS, FAILED = "seconds to the rollback, median", "failed requests, mean"
TICKS: Final = (10, 20, 30, 60, 120, 240, 480)
STORY: Final = Scenario(canary=Release(failure=0.05, after=120.0))
SEED: Final = 7
RAMP: Final = default_canary(ramp={"budget": 100})
Worlds = Mapping[str, Mapping[str, float | None]]
"""By rule, the figure of each world; None where it never came."""


def figures(results: Mapping[str, Any], wanted: str) -> Worlds:
    """Collect one figure of all worlds, by rule: our policies' first, then the peers' as the first policy met them."""
    found: dict[str, dict[str, float | None]] = {}
    policies = [policy for policy in OURS if policy in results]
    for policy in policies:
        rows = [row for row in results[policy]["figures"] if row["figure"].startswith(wanted)]
        found[OURS[policy]] = {row["world"]: row["got"]["canary"] for row in rows}
    for row in results[policies[0]]["figures"]:
        for rule, value in row["got"].items():
            if rule != "canary" and row["figure"].startswith(wanted):
                found.setdefault(rule, {})[row["world"]] = value
    return found


def dots(axes: "Axes", rules: Worlds, worlds: Sequence[str], scale: float = 1.0) -> None:
    """Draw a line of dots for each world, one for each rule, those of rules that stand near one another apart."""
    for number, ((rule, values), (colour, marker)) in enumerate(zip(rules.items(), MARKS, strict=False)):
        known = [(scale * x, y) for y, world in enumerate(worlds) if (x := values.get(world)) is not None]
        apart = 0.11 * (number - (len(rules) - 1) / 2)
        places = [y + apart for _, y in known]
        axes.plot([x for x, _ in known], places, marker, color=colour, label=rule, markersize=5, clip_on=False)
    axes.set_yticks(range(len(worlds)), worlds)
    axes.set_ylim(len(worlds) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    for y in range(1, len(worlds)):
        axes.axhline(y - 0.5, color="#e6e6e6", linewidth=0.8)


def rollbacks(figure: "Figure", results: Mapping[str, Any]) -> None:
    """Draw how soon each rule takes a bad release back, and how many requests that costs."""
    left, right = figure.subplots(1, 2, sharey=True)
    worlds = [world for world in BAD if world in figures(results, SECONDS)[OURS["steps"]]]
    dots(left, figures(results, SECONDS), worlds)
    dots(right, figures(results, FAILED), worlds)
    left.set(xscale="log", xlabel=SECONDS, ylabel="what the release fails, at what traffic")
    left.set_xticks(TICKS, [str(tick) for tick in TICKS])
    left.set_xticks([], minor=True)
    right.set(xscale="log", xlabel="failed requests until then, mean")
    figure.suptitle("A bad release is taken back", x=0.01, ha="left", fontsize=11)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)


def mistakes(figure: "Figure", results: Mapping[str, Any]) -> None:
    """Draw how often each rule takes a good release back, in calm worlds and in rough ones."""
    rules = figures(results, "rolled back")
    peer = next(rule for rule in rules if rule not in OURS.values())
    calm = {rule: {w: x for w, x in values.items() if w[0] != "R"} for rule, values in rules.items()}
    rough = {rule: worst(values, rules[peer]) for rule, values in rules.items()}
    left, right = figure.subplots(1, 2)
    told = "rough: the worse of 100 and 1000 rps"
    for axes, found, title in ((left, calm, "calm: both sides fail so often"), (right, rough, told)):
        dots(axes, found, [world for world, value in found[peer].items() if value is not None], 100.0)
        axes.set(xlabel="good releases rolled back (%)", xlim=(-2, 102), title=title)
    figure.suptitle("A good release is taken back", x=0.01, ha="left", fontsize=11)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)


def worst(values: Mapping[str, float | None], played: Mapping[str, float | None]) -> Mapping[str, float | None]:
    """Take of each rough world that all rules played the traffic at which a rule was wrong most often."""
    found: dict[str, float | None] = {}
    for world, value in values.items():
        name = world.partition(" ")[0]
        if name[0] == "R" and value is not None and played.get(world) is not None:
            found[name] = max(value, found.get(name) or 0.0)
    return found


def story(file: Path) -> None:
    """Draw a rollout whose release begins to fail once it serves."""
    moments: list[plots.Moment] = []
    ending = play(RAMP, STORY, SEED, lambda at, decision: moments.append(drawing.moment(at, decision)))
    drawing.story(file, moments, ending, parse_spec(RAMP).risk)


def main() -> None:
    """Draw all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=DOCS, help="the directory that gets them")
    into = parser.parse_args().into
    story(into / "decisions-story.svg")
    results = json.loads((DOCS / "calibration.json").read_text())
    if "steps" not in results:
        sys.exit("docs/calibration.json has no results of the default steps: run make calibrate")
    plots.save(partial(rollbacks, results=results), into / "decisions-rollbacks.svg", (9.0, 4.6))
    plots.save(partial(mistakes, results=results), into / "decisions-mistakes.svg", (9.0, 5.2))


if __name__ == "__main__":
    main()
