"""What the demo tells: the controller's ticks as lines and tables, and how each release ended. Pure.

Ticks are read from the controller's own log, so that what is shown is what was decided on, and when.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from canary.cli.views import odds
from canary.core.formats import show_share, show_weight
from canary.core.spec import FULL

Json: TypeAlias = Mapping[str, object]

GATES: Final = ("GATE", "VERDICT", "CANARY FAILED", "STABLE FAILED", "ODDS AGAINST", "ODDS FOR")
SUMMARY: Final = ("RELEASE", "OUTCOME", "REASON", "ROUTE", "SECONDS", "PEAK", "FAILED")
CELLS: Final = 40  # of the weight's bar


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One decision of the controller."""

    rollout: str
    phase: str
    weight: int
    reason: str
    message: str
    gates: Mapping[str, Json]

    @classmethod
    def heard(cls, event: Json) -> "Tick | None":
        """Read a line of the log, if it is about a tick of a rollout."""
        weight, gates = event.get("weight"), event.get("gates")
        if event.get("event") != "tick.decided" or not event.get("rollout") or not isinstance(weight, int):
            return None
        return cls(
            rollout=str(event["rollout"]),
            phase=str(event.get("phase")),
            weight=weight,
            reason=str(event.get("reason")),
            message=str(event.get("message")),
            gates=gates if isinstance(gates, Mapping) else {},
        )

    def follows(self, before: "Tick | None") -> bool:
        """Tell whether it is news after another tick: numbers alone are not."""
        return before is None or self.news != before.news

    @property
    def news(self) -> tuple[object, ...]:
        """What is worth a line when it changes."""
        return (self.rollout, self.phase, self.weight, self.reason)

    def line(self, at: float) -> str:
        """Word it in one line, `at` seconds after the release was shipped."""
        return f"{at:5.0f} s  {show_weight(self.weight):>5}  {self.reason}: {self.message}"

    def gate_rows(self) -> list[list[str]]:
        """Show the evidence of each gate in the cells of GATES."""
        return [
            [
                name,
                str(gate.get("verdict")),
                _of(gate.get("canary")),
                _of(gate.get("stable")),
                odds(gate.get("against")),
                odds(gate.get("passing")),
            ]
            for name, gate in self.gates.items()
        ]

    def gate_lines(self) -> list[str]:
        """Show the evidence of each gate in a sentence."""
        return [
            f"{'':16}{name}: {verdict}; canary {canary} failed, stable {stable}; odds {against} against, {passing} for"
            for name, verdict, canary, stable, against, passing in self.gate_rows()
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """What users had of a release, as their clients counted it: requests sent to its pods, and those that failed."""

    requests: int
    failed: int

    def sentence(self) -> str:
        """Word it."""
        share = f" ({show_share(self.failed / self.requests)})" if self.requests else ""
        return f"users sent {self.requests} requests to this release, {self.failed} of them failed{share}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one release ended."""

    canary: str
    revision: str
    outcome: str
    reason: str
    route: str
    seconds: float
    peak: int
    harm: Harm

    def as_json(self) -> dict[str, object]:
        """Say it for a program."""
        return {
            "canary": self.canary,
            "revision": self.revision,
            "outcome": self.outcome,
            "reason": self.reason,
            "route": self.route,
            "seconds": round(self.seconds, 1),
            "peakWeight": self.peak,
            "failedRequests": self.harm.failed,
            "requests": self.harm.requests,
        }

    def row(self, title: str) -> list[str]:
        """Say it in the cells of SUMMARY."""
        return [
            title,
            self.outcome,
            self.reason,
            self.route or "-",
            f"{self.seconds:.0f}",
            show_weight(self.peak),
            f"{self.harm.failed} of {self.harm.requests}",
        ]


def trouble(event: Json) -> str:
    """Word a line of the log that is a warning or worse; "" for any other."""
    if event.get("level") not in ("warning", "error", "critical"):
        return ""
    said = str(event.get("error") or event.get("exception") or "").strip().splitlines()
    return f"the controller says: {event.get('event')}{f': {said[-1]}' if said else ''}"


def bar(weight: int) -> str:
    """Draw the canary's share of the traffic."""
    full = round(CELLS * weight / FULL)
    return f"canary {'█' * full}{'░' * (CELLS - full)} {show_weight(weight)}"


def harm_of(results: Sequence[Result]) -> str:
    """Sum up what users had of it all."""
    failed = sum(result.harm.failed for result in results)
    return f"{failed} user request{'' if failed == 1 else 's'} failed because of the canary."


def _of(counts: object) -> str:
    return f"{counts[0]} of {counts[1]}" if isinstance(counts, list) and len(counts) == 2 else "-"  # noqa: PLR2004 - a pair
