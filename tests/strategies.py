"""What chance may choose, for Hypothesis."""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from canary.core.questions import GateReply, Unanswered

IMAGES = ("good-1", "good-2", "good-3", "fair-1", "bad-1", "bad-2", "awful-1", "hangs-1", "slow-1")
HOOKS = ("confirm-start", "confirm-step", "confirm-promotion", "rollback")
LADDERS = (["200m", "500m", "1000m"], ["500m", "1000m"], ["1000m"], ["100m", "200m", "300m", "1000m"])


def images() -> SearchStrategy[str]:
    """Choose a release: kind and number."""
    return st.sampled_from(IMAGES)


def ladders() -> SearchStrategy[list[str]]:
    """Choose steps."""
    return st.sampled_from(LADDERS)


def modes() -> SearchStrategy[str]:
    """Choose how Prometheus is."""
    return st.sampled_from(["up", "down", "empty", "nan", "stale"])


def replies() -> SearchStrategy[GateReply | Unanswered]:
    """Choose what a webhook answers."""
    return st.sampled_from(
        [GateReply(yes=True, detail="200"), GateReply(yes=False, detail="409"), Unanswered(detail="no answer in 2 s")]
    )


@st.composite
def specs(draw: st.DrawFn) -> dict[str, object]:
    """Choose a spec whose rollouts take minutes and not hours, mostly a plain one."""
    gates: dict[str, object] = {"successRate": {"min": "99%"}}
    rarely = st.sampled_from([False, False, False, True])
    if draw(rarely):
        kinds = draw(st.lists(st.sampled_from(HOOKS), min_size=1))
        names = dict.fromkeys(kinds)
        gates["webhooks"] = [{"name": kind, "type": kind, "url": f"http://{kind}.shop"} for kind in names]
    if draw(rarely):
        gates["latency"] = {"p99": draw(st.sampled_from(["300ms", "250ms"]))}
    if draw(rarely):
        gates["unanswered"] = draw(st.sampled_from(["Hold", "Ignore"]))
    return {
        "service": "web",
        "stable": {"service": "web-stable"},
        "canary": {"service": "web-canary"},
        "steps": draw(ladders()),
        "interval": "10s",
        "dwell": "20s",
        "stepTimeout": "3m",
        "bake": "30s",
        "gates": gates,
        "onInconclusive": draw(st.sampled_from(["Rollback", "Hold", "Promote"])),
        "promotion": {
            "mode": draw(st.sampled_from(["Copy", "Copy", "CopyImages", "External"])),
            "approval": draw(st.sampled_from(["Automatic", "Automatic", "Manual"])),
        },
        "scaling": {"mode": draw(st.sampled_from(["Match", "Match", "None"]))},
    }
