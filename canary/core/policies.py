"""How the weight goes up and which rule decides, as a manifest says it. Called by `manifest`."""

from datetime import timedelta

from canary.core import formats
from canary.core.fields import Fields
from canary.core.spec import FULL, HALF, EvidenceMode, Ramp, Threshold, Weight

DEFAULT_STEPS = ["100m", "200m", "300m", "400m", "500m", "1000m"]
MOST_STEPS = 100
MOST_BUDGET = 1_000_000
MOST_FAILURES = 100
MOST_REQUESTS = 1_000_000


def steps(spec: Fields) -> tuple[Weight, ...]:
    """Read the steps; with a ramp there are but those where it stops."""
    if spec.has("ramp"):
        if spec.has("steps"):
            spec.refuse("steps", "unset where ramp is set: one of the two says how the weight rises")
        return (HALF, FULL)
    written = spec.array("steps", DEFAULT_STEPS)
    found = [formats.weight(step) for step in written]
    known = [step for step in found if step is not None]
    rising = all(a < b for a, b in zip([0, *known], known, strict=False))
    if len(known) < len(found) or not rising or known[-1:] != [FULL] or len(found) > MOST_STEPS:
        spec.refuse("steps", f'a list of at most {MOST_STEPS} weights "1m" to "1000m" that rises and ends at "1000m"')
    return tuple(known)


def ramp(spec: Fields) -> Ramp | None:
    """Read the ramp, if there is one."""
    if not spec.has("ramp"):
        return None
    fields = spec.section("ramp")
    budget = fields.count("budget", least=1, most=MOST_BUDGET, what=": how many requests may fail")
    fields.finish()
    return Ramp(budget=100 if budget is None else budget)


def threshold(fields: Fields, interval: timedelta) -> Threshold | None:
    """Read the rule that decides in place of the evidence, if that is chosen."""
    chosen = fields.choice("mode", EvidenceMode.EVIDENCE) is EvidenceMode.THRESHOLD
    counts = {"failures": (3, MOST_FAILURES), "minRequests": (100, MOST_REQUESTS)}
    found = {}
    for key, (default, most) in counts.items():
        found[key] = fields.count(key, least=1, most=most) or default
    window = fields.duration("window", None, least=interval) if fields.has("window") else None
    for key in (*counts, "window"):
        if fields.has(key) and not chosen:
            fields.refuse(key, "unset where evidence.mode is not Threshold")
    if not chosen:
        return None
    intervals = 0 if window is None else -(-window // interval)
    return Threshold(failures=found["failures"], min_requests=found["minRequests"], intervals=intervals)
