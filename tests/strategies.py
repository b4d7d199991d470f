"""What chance may choose, for Hypothesis."""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

IMAGES = ("good-1", "good-2", "good-3", "fair-1", "bad-1", "bad-2", "awful-1", "hangs-1", "slow-1")
HOOKS = ("confirm-start", "confirm-step", "confirm-promotion", "rollback")
LADDERS = (["200m", "500m", "1000m"], ["500m", "1000m"], ["1000m"], ["100m", "200m", "300m", "1000m"])


def images() -> SearchStrategy[str]:
    """Choose a release: kind and number."""
    return st.sampled_from(IMAGES)


def ladders() -> SearchStrategy[list[str]]:
    """Choose steps."""
    return st.sampled_from(LADDERS)


def a_spec(turn: int) -> dict[str, object]:
    """Make a spec whose rollouts take minutes and not hours; each turn another one."""
    gates: dict[str, object] = {"successRate": {"min": "99%"}}
    if turn % 3 == 1:
        gates["webhooks"] = [{"name": kind, "type": kind, "url": f"http://{kind}.shop"} for kind in HOOKS]
    if turn % 4 == 1:
        gates["latency"] = {"p99": ("300ms", "250ms")[turn % 2]}
    if turn % 5 == 1:
        gates["unanswered"] = ("Hold", "Ignore")[turn % 2]
    if turn % 6 == 1:
        gates["queries"] = [{"name": "depth", "query": "max(depth)", "max": (5, 0)[turn % 4 == 3], "for": "20s"}]
    return {
        "service": "web",
        "stable": {"service": "web-stable"},
        "canary": {"service": "web-canary"},
        **({"ramp": {"budget": 100}} if turn % 7 == 3 else {"steps": LADDERS[turn % len(LADDERS)]}),
        "interval": "10s",
        "dwell": "20s",
        "stepTimeout": "3m",
        "bake": "30s",
        "gates": gates,
        "onInconclusive": ("Rollback", "Hold", "Promote")[turn % 3],
        "promotion": {
            "mode": ("Copy", "Copy", "CopyImages", "Copy", "External")[turn % 5],
            "approval": ("Automatic", "Automatic", "Manual")[turn % 3],
        },
        "scaling": {"mode": ("Match", "Match", "Match", "None")[turn % 4]},
    }


def specs() -> SearchStrategy[dict[str, object]]:
    """Choose a spec; the small numbers, which Hypothesis likes, are the plain ones."""
    return st.integers(0, 59).map(a_spec)


def json_values() -> SearchStrategy[object]:
    """Choose anything that JSON can say, numbers that no clock holds among it."""
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=5),
        st.sampled_from(["100m", "1000m", "9999m", "2026-03-01T12:00:00Z", "0001-01-01T00:00:00+23:59", "1e999 nan"]),
    )
    return st.recursive(
        leaves, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner))
    )
