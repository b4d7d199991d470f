"""Holds back what comes again and again: a Prometheus that flaps each second must not be an Event each second.

Used by the herald. Decisions pass, always. What only recurs passes once in a while for each Canary and reason; what
comes meanwhile is counted, and told with its number once the while is over, if it is still so or comes again. A
decision begins everything anew.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from canary.core.decision import Decision, Notice
from canary.core.snapshot import Key, Snapshot
from canary.core.status import Reason

WHILE = timedelta(minutes=5)


@dataclass(slots=True)
class _Reason:
    """When a reason was told last, and what came since: the last words, and how often."""

    told: datetime | None = None
    last: Notice | None = None
    came: int = 0

    def pass_on(self, at: datetime) -> Notice | None:
        """Give what came, if the while is over; a clock that was stepped may end it early."""
        if self.last is None or (self.told is not None and abs(at - self.told) < WHILE):
            return None
        often = f" This came {self.came} times since {self.told:%H:%M:%S} UTC." if self.told and self.came > 1 else ""
        notice = replace(self.last, message=self.last.message + often)
        self.told, self.last, self.came = at, None, 0
        return notice


class Repeats:
    """What came again of each Canary since its last decision."""

    def __init__(self) -> None:
        self._reasons: dict[Key, dict[Reason, _Reason]] = {}

    def sift(self, seen: Snapshot, decision: Decision) -> tuple[Notice, ...]:
        """Choose what people are told now, decisions first."""
        decided = [notice for notice in decision.notices if not notice.recurring]
        if decided:
            self.forget(seen.key)
        reasons = self._reasons.setdefault(seen.key, {})
        for notice in decision.notices:
            if notice.recurring:
                reason = reasons.setdefault(notice.reason, _Reason())
                reason.last, reason.came = notice, reason.came + 1
        present = dict.fromkeys([*(notice.reason for notice in decision.notices), decision.status.reason])
        told = [reasons[name].pass_on(seen.at) for name in present if name in reasons]
        return (*decided, *(notice for notice in told if notice is not None))

    def forget(self, key: Key) -> None:
        """Begin a Canary anew."""
        self._reasons.pop(key, None)
