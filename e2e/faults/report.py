"""Renders outcomes as `docs/faults.md`."""

from collections.abc import Iterable, Mapping
from itertools import groupby

from e2e.faults.outcome import Outcome
from e2e.faults.table import FAMILIES, Row

HEAD = """\
# Faults

What happens when something breaks in the middle of a rollout. What a table says was seen on a real Kubernetes control
plane (etcd, kube-apiserver, kube-controller-manager), with a real Prometheus, real HTTP traffic and the shipped
controller as its own process: a service of two stable pods under 20 requests a second unless the row says more, scraped
and judged each second, with the steps 100m, 500m and 1000m. `make e2e` plays some rows of each family;
`python -m e2e.faults --docs` plays all and writes this page and `faults.json`.

*Harmed* are users' requests that ended badly at the canary, of those that went there. *Recovery* is the time from the
end of the fault until the rollout took its next step, or had ended, in seconds.
"""


def render(outcomes: Mapping[str, Outcome], table: Mapping[str, Row]) -> str:
    """Write the page: what was measured, and what is in the table and was not yet."""
    parts = [HEAD]
    if outcomes:
        wrong = sum(not outcome.ok for outcome in outcomes.values())
        but = f", but for the {wrong} marked **wrong**" if wrong else ""
        summed = "of {} rows none took an extra step, or lost a step, a rollout or counted evidence{}."
        parts.append(f"As measured, {summed.format(len(outcomes), but)}\n")
    ordered = sorted(outcomes.values(), key=lambda outcome: FAMILIES.index(outcome.family))
    for family, group in groupby(ordered, key=lambda outcome: outcome.family):
        parts.append("\n".join(_section(family, group)) + "\n")
    if missing := [row for name, row in table.items() if name not in outcomes]:
        parts.append("\n".join(_unmeasured(missing)) + "\n")
    return "\n".join(parts)


def _unmeasured(missing: Iterable[Row]) -> Iterable[str]:
    yield "## Not measured yet\n"
    yield "These rows can be played as well; their figures await a run on a quiet machine.\n"
    yield from (f"- {row.family}: {row.fault}. Wanted: {row.wanted}." for row in missing)


def _section(family: str, outcomes: Iterable[Outcome]) -> Iterable[str]:
    yield f"## {family}\n"
    yield "| fault | wanted | seen | harmed | recovery |"
    yield "|---|---|---|---|---|"
    for outcome in outcomes:
        recovery = "" if outcome.recovery is None else f"{outcome.recovery:g}"
        seen = outcome.saw if outcome.ok else f"**wrong** {outcome.saw}"
        cells = (outcome.fault, outcome.wanted, seen, f"{outcome.harmed} of {outcome.sent}", recovery)
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
