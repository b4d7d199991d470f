"""Calibrates both policies: `docs/calibration.json`, and of that the tables and figures of `docs/decisions.md`.

`make calibrate` takes about half an hour of each of two cores; the boundaries, held for four simulated hours, are most
of it. With `--render` the page is made anew from the results that are there.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import yaml

from canary.cli.calibrate import default_canary
from canary.simulator.report import FEW_RUNS
from canary.simulator.scenario import Release, Scenario
from canary.simulator.summary import play_many, summarise

DOCS: Final = Path(__file__).parents[1] / "docs"
RESULTS, PAGE = DOCS / "calibration.json", DOCS / "decisions.md"
FIGURES: Final = Path(__file__).with_name("figures.py")
POLICIES: Final = {"steps": default_canary(), "ramp": default_canary(ramp={"budget": 100})}
WHOLE: Final = (
    ("5% at 100 rps", 100, 0.001, 0.05),
    ("5% at 1000 rps", 1000, 0.001, 0.05),
    ("100% at 1000 rps", 1000, 0.001, 1.0),
    ("2% at 100 rps", 100, 0.001, 0.02),
    ("0.9% at 100 rps, as stable", 100, 0.009, 0.009),
)
WHOLE_RUNS: Final = 200
NOT_YET: Final = "*Awaits a run of `make calibrate` on a quiet machine.*"


def calibrated(policy: str, seed: int, runs: int) -> dict[str, Any]:
    """Run the command that users run."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(POLICIES[policy], file)
        file.flush()
        command = [sys.executable, "-m", "canary", "calibrate", "-f", file.name, "-o", "json"]
        done = subprocess.run(  # noqa: S603 - our own command
            [*command, "--seed", str(seed), "--runs", str(runs)], check=True, stdout=subprocess.PIPE
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def whole(policy: str, seed: int) -> list[dict[str, object]]:
    """Play whole rollouts: scrapes, propagation, the start of pods and the bake included."""
    rows: list[dict[str, object]] = []
    for name, traffic, stable, release in WHOLE:
        scenario = Scenario(traffic=traffic, stable=Release(failure=stable), canary=Release(failure=release))
        endings = play_many(POLICIES[policy], scenario, range(seed, seed + WHOLE_RUNS), os.cpu_count() or 1)
        rows.append({"world": name, "outcomes": [asdict(share) for share in summarise(endings)]})
    return rows


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table as Markdown has it."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *rows))


def targets(results: Mapping[str, Any], policy: str) -> str:
    """Render T1 to T9 of a policy."""
    if policy not in results:
        return NOT_YET
    rows = [[t["id"], t["wanted"], t["got"], "yes" if t["met"] else "**no**"] for t in results[policy]["targets"]]
    return table(["", "wanted", "got", "met"], rows)


def played(results: Mapping[str, Any]) -> list[str]:
    """List the policies that there are results of."""
    return [policy for policy in POLICIES if policy in results]


def figures(results: Mapping[str, Any]) -> str:
    """Render the worlds that all rules play, side by side."""
    policies = played(results)
    found = [{_place(row): row for row in results[policy]["figures"]} for policy in policies]
    peers = [rule for rule in results[policies[0]]["figures"][0]["got"] if rule != "canary"]
    rows = [
        [*place, *(_shown(row["figure"], each[place]["got"]["canary"]) for each in found)]
        + [_shown(row["figure"], row["got"][peer]) for peer in peers]
        for place, row in found[0].items()
        if row["got"][peers[0]] is not None or "seconds" in row["figure"]
    ]
    return table(["world", "figure", *policies, *peers], rows)


def _place(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["world"], row["figure"]


def _shown(figure: str, value: float | None) -> str:
    if value is None:
        return "never"
    if "seconds" in figure or "requests" in figure:
        return f"{value:.0f}" if value >= 10 else f"{value:.1f}"  # noqa: PLR2004 - two digits
    return f"{value:.2%}"


def boundaries(results: Mapping[str, Any]) -> str:
    """Render the worlds at the edge of the promises."""
    policies = played(results)
    rows = [
        [row["world"], f"{row['wanted']:.1%}", *(_held(results[policy], row) for policy in policies)]
        for row in results[policies[0]]["figures"]
        if row["target"] == "T2" or row["world"].endswith("held")
    ]
    return table(["world", "at most", "rolled back", "on other seeds"][: 2 + len(policies)], rows)


def _held(found: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    same = next(each for each in found["figures"] if _place(each) == _place(row))
    return f"{same['got']['canary']:.2%}"


def rollouts(results: Mapping[str, Any]) -> str:
    """Render whole rollouts."""
    if "whole" not in results:
        return NOT_YET
    rows = [
        [
            world["world"],
            policy,
            f"{share['outcome']} ({share['reason']})",
            f"{share['share']:.1%} of {sum(each['runs'] for each in world['outcomes'])}",
            f"{share['seconds'][0]:.0f} / {share['seconds'][1]:.0f}",
            f"{share['harmed'][0]:.0f} / {share['harmed'][1]:.0f}",
        ]
        for policy, worlds in results["whole"].items()
        for world in worlds
        for share in world["outcomes"]
    ]
    return table(["world", "policy", "end", "share", "seconds, median / p90", "failed requests, median / p90"], rows)


def made_with(results: Mapping[str, Any]) -> str:
    """Say how the tables came about."""
    told = []
    for policy in played(results):
        found = results[policy]
        kinds = ", ".join(f"{runs} {kind}" for kind, runs in found["sizes"].items())
        told.append(f"{policy}: version {found['version']}, seeds from {found['seed']}, rollouts in each world {kinds}")
    few = {remark for policy in played(results) for remark in results[policy].get("remarks", ()) if remark == FEW_RUNS}
    return " ".join(["; ".join(told) + ".", *few])


def rendered(results: Mapping[str, Any], page: str) -> str:
    """Put the tables of the results into the page, between their marks."""
    parts: dict[str, Callable[[], str]] = {
        "made": lambda: made_with(results),
        "steps": lambda: targets(results, "steps"),
        "ramp": lambda: targets(results, "ramp"),
        "figures": lambda: figures(results),
        "boundaries": lambda: boundaries(results),
        "whole": lambda: rollouts(results),
    }
    for name, made in parts.items():
        text = made() if results else NOT_YET
        mark = re.compile(rf"(<!-- {name}: made by make calibrate -->\n).*?(<!-- end -->)", re.DOTALL)
        page, found = mark.subn(lambda match, text=text: f"{match[1]}{text}\n{match[2]}", page)  # type: ignore[misc] # re's
        if found != 1:
            raise SystemExit(f"{PAGE.name}: {found} places for {name}, and one is needed")
    return page


def main() -> None:
    """Calibrate, unless only the page is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--render", action="store_true", help="make the page and its figures from the results that are there"
    )
    parser.add_argument("--runs", type=int, default=4000, help="rollouts in each good world; others in proportion")
    parser.add_argument("--seed", type=int, default=1_000_000_001, help="of the first run")
    options = parser.parse_args()
    if not options.render:
        seeds = {policy: options.seed + number * 500_000_000 for number, policy in enumerate(POLICIES)}
        results = {policy: calibrated(policy, seeds[policy], options.runs) for policy in POLICIES}
        results["whole"] = {policy: whole(policy, seeds[policy]) for policy in POLICIES}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(rendered(read(), PAGE.read_text()))
    subprocess.run([sys.executable, str(FIGURES)], check=True)  # noqa: S603 - our own script


def read() -> dict[str, Any]:
    """Read the results, {} where there are none yet."""
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


if __name__ == "__main__":
    main()
