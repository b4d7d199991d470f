"""What a fault did: one `Outcome` for each row of the table, in JSON and in `docs/faults.md`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(kw_only=True)
class Outcome:
    """What was seen in one row. Everything is measured; `saw` is in the words of the row."""

    family: str
    fault: str
    wanted: str
    saw: str = ""
    harmed: int = 0  # users' requests that ended badly at the canary, after all retries
    sent: int = 0  # of so many that went there
    strange: list[str] = field(default_factory=list)  # steps that no rollout may take
    lost: list[str] = field(default_factory=list)  # state that was there and is not any more
    recovery: float | None = None  # seconds from the end of the fault until the rollout went on, or had ended
    requests: dict[str, int] = field(default_factory=dict)  # to the API server, by verb
    seconds: float = 0.0
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether all that was wanted was seen, with no extra step and nothing lost."""
        return not (self.error or self.strange or self.lost)

    def document(self) -> dict[str, object]:
        """Write it as JSON."""
        return {**asdict(self), "ok": self.ok}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Outcome":
        """Read what `document` wrote."""
        return cls(**{key: value for key, value in document.items() if key != "ok"})
