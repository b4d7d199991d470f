"""From what the tools found to what is drawn of it. Without a file nothing is drawn, and matplotlib is not imported."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from canary.cli import plots
from canary.cli.plots import Moment, Trace
from canary.core.book import Tally
from canary.core.decision import Decision
from canary.core.judgement import Judgement
from canary.core.spec import Risk

if TYPE_CHECKING:
    from canary.backtest.replay import Outcome
    from canary.simulator.report import Report
    from canary.simulator.rollout import Ending

MOST: Final = 200  # episodes that are drawn: more make no line visible


def moment(at: float, decision: Decision) -> Moment:
    """Take from a tick what is drawn of it; before the first judgement nothing is known."""
    status, judgement = decision.status, decision.judgement
    tally = judgement.gates[0].tally if judgement is not None and judgement.gates else Tally()
    return Moment(
        t=at,
        weight=status.weight,
        canary=(tally.canary_requests, tally.canary_failures),
        stable=(tally.stable_requests, tally.stable_failures),
        against=1.0 if judgement is None else max(judgement.against, judgement.alone),
        passing=1.0 if judgement is None else min((g.passing for g in judgement.gates if g.required), default=1.0),
    )


class Traces:
    """Hears of each tick of each episode, of the first so many."""

    def __init__(self) -> None:
        self.found: dict[str, Trace] = {}

    def __call__(self, episode: str, t: float, judgement: Judgement) -> None:
        """Take one tick in."""
        if episode not in self.found and len(self.found) >= MOST:
            return
        trace = self.found.setdefault(episode, Trace(episode))
        trace.merged.append((t, max(judgement.against, judgement.alone)))
        for view in judgement.gates:
            trace.against.setdefault(view.name, []).append((t, view.against))
            trace.passing.setdefault(view.name, []).append((t, view.passing))


def story(file: Path | None, moments: Sequence[Moment], ending: "Ending", risk: Risk) -> None:
    """Draw one simulated rollout."""
    if file is not None:
        title = f"{_named(ending)} after {ending.seconds:.0f} s. Seed {ending.seed}."
        plots.save(partial(plots.story, moments=moments, title=title, decide=_decide(risk)), file)


def distribution(file: Path | None, endings: "Sequence[Ending]") -> None:
    """Draw how many simulated rollouts ended."""
    if file is not None:
        runs: dict[str, list[tuple[float, float]]] = {}
        for ending in sorted(endings, key=lambda ending: (ending.outcome, ending.reason)):
            runs.setdefault(_named(ending), []).append((ending.seconds, ending.harmed))
        title = f"{len(endings)} simulated rollouts"
        plots.save(partial(plots.distribution, runs=runs, title=title), file)


def replayed(file: Path | None, traces: Traces | None, outcomes: "Sequence[Outcome]", title: str, risk: Risk) -> None:
    """Draw the odds of replayed episodes."""
    if file is None or traces is None:
        return
    for outcome in outcomes:
        if outcome.episode in traces.found:
            traces.found[outcome.episode].decision = str(outcome.decision)
    drawn = list(traces.found.values())
    title += f" (the first {MOST} are drawn)" if len(outcomes) > MOST else ""
    height = 2.0 * (1 + max((len(trace.against) for trace in drawn), default=0))
    plots.save(partial(plots.replayed, traces=drawn, title=title, decide=_decide(risk)), file, (10.0, max(4.0, height)))


def targets(file: Path | None, report: "Report") -> None:
    """Draw how the targets were met."""
    if file is not None:
        from canary.simulator.report import FEW_RUNS
        from canary.simulator.targets import TITLES

        parts = {
            f"{t.id}: {TITLES[t.id]}": [(part.got / part.wanted, part.met) for part in t.parts if part.wanted > 0]
            for t in report.targets
            if t.parts
        }
        title = f"Targets, {report.policy}: every figure of every world"
        title += f"\n{FEW_RUNS}" if FEW_RUNS in report.remarks else ""
        plots.save(partial(plots.targets, parts=parts, title=title), file, (10.0, 5.5))


def _named(ending: "Ending") -> str:
    return ending.outcome if ending.outcome == ending.reason else f"{ending.outcome} ({ending.reason})"


def _decide(risk: Risk) -> tuple[float, float]:
    return 1 / risk.alpha, 1 / risk.beta
