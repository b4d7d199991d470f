from collections import Counter
from random import Random

import pytest

from canary.lab.app import App, Plan
from canary.lab.behaviour import parse_behaviour


def an_app(**env: str) -> App:
    return App(parse_behaviour(env), Random("seed"), started=100.0)


def shares(app: App, method: str = "POST", path: str = "/api/task", n: int = 4000) -> dict[int | None, float]:
    seen = Counter(app.plan(method, path, 100.0 + i).status for i in range(n))
    return {status: count / n for status, count in seen.items()}


def test_a_release_without_behaviour_answers_at_once() -> None:
    assert an_app().plan("GET", "/", 100.0) == Plan(0.0, 200)


def test_failures_come_at_their_rate() -> None:
    assert shares(an_app(LAB_FAILURES="POST /api/task=5%")) == pytest.approx({200: 0.95, 503: 0.05}, abs=0.015)


def test_hanging_requests_have_no_status() -> None:
    assert shares(an_app(LAB_HANGS="*=50%")) == pytest.approx({200: 0.5, None: 0.5}, abs=0.03)


def test_latency_spreads_evenly_around_its_value() -> None:
    app = an_app(LAB_LATENCY="*=150ms±20%")
    delays = sorted(app.plan("GET", "/", 100.0).delay for _ in range(2000))
    assert 0.12 <= delays[0] < 0.123
    assert 0.177 < delays[-1] <= 0.18
    assert sum(delays) / len(delays) == pytest.approx(0.15, abs=0.002)


def test_two_starts_from_one_seed_behave_alike() -> None:
    first, second = (an_app(LAB_FAILURES="*=30%", LAB_LATENCY="*=5ms±50%") for _ in range(2))
    assert [first.plan("GET", "/", t) for t in range(50)] == [second.plan("GET", "/", t) for t in range(50)]


@pytest.mark.parametrize(
    ("rate", "failing"),
    [pytest.param(40, 0.0, id="below the limit"), pytest.param(100, 1.0, id="above the limit")],
)
def test_an_overloaded_pod_fails_only_above_its_rate(rate: int, failing: float) -> None:
    app = an_app(LAB_OVERLOAD="60rps=100%")
    answers = [app.plan("GET", "/", 100.0 + i / rate).status for i in range(4 * rate)][rate:]
    assert answers.count(503) / len(answers) == failing


@pytest.mark.parametrize(
    ("text", "at", "ready"),
    [
        pytest.param("true", 0, True, id="from the start"),
        pytest.param("false", 1e6, False, id="never"),
        pytest.param("after 3s", 2.9, False, id="not yet"),
        pytest.param("after 3s", 3.0, True, id="at last"),
        pytest.param("until 20s", 19.9, True, id="still"),
        pytest.param("until 20s", 20.0, False, id="no longer"),
    ],
)
def test_readiness_counts_from_the_start(text: str, at: float, ready: bool) -> None:
    assert an_app(LAB_READY=text).ready(100.0 + at) is ready
