"""`canary start` ships an image and answers with something that `canary wait` takes."""

import pytest

from canary.core.status import CanaryStatus, Outcome, Reason
from tests.cli.town import Town, a_deployment, a_past, a_rollout, a_running, an_idle, said


@pytest.fixture
def adopted(town: Town) -> Town:
    town.found()
    town.write(an_idle(promoted=town.revision()))
    return town


def begun(old: str) -> "CanaryStatus":
    return a_running(a_rollout(old, 7), promoted="old")


def test_the_id_of_the_new_rollout_is_printed_once_it_is_visible(adopted: Town) -> None:
    old = adopted.revision()
    adopted.meanwhile(adopted.begin(after=old, status=begun))
    result = adopted.canary("start", "web", "--image", "web:2")
    assert (result.exit_code, result.stdout) == (0, f"web-{adopted.revision()}-7\n")


def test_as_json_it_tells_the_revision(adopted: Town) -> None:
    adopted.meanwhile(adopted.begin(after=adopted.revision(), status=begun))
    result = adopted.canary("start", "web", "--image", "app=web:2", "-o", "json")
    revision = adopted.revision()
    assert said(result) == {
        "canary": "web",
        "namespace": adopted.namespace,
        "revision": revision,
        "rollout": f"web-{revision}-7",
        "state": "Running",
    }


def test_the_same_start_again_gives_the_same_id(adopted: Town) -> None:
    adopted.write(a_running(a_rollout(adopted.revision(), 3)))
    result = adopted.canary("start", "web", "--image", "web:1")
    assert (result.exit_code, result.stdout) == (0, f"web-{adopted.revision()}-3\n")
    assert "carries web:1 already" in result.stderr


def test_an_image_that_stable_runs_already_is_no_error(adopted: Town) -> None:
    adopted.write(an_idle(a_past(adopted.revision(), 4), promoted=adopted.revision()))
    result = adopted.canary("start", "web", "--image", "web:1")
    assert (result.exit_code, result.stdout) == (0, f"web-{adopted.revision()}-4\n")
    assert "what stable runs already" in result.stderr


def test_the_baseline_has_no_rollout_and_is_answered_with_the_name(adopted: Town) -> None:
    result = adopted.canary("start", "web", "--image", "web:1")
    assert (result.exit_code, result.stdout) == (0, "web\n")


def test_a_condemned_revision_is_refused_with_the_way_out(adopted: Town) -> None:
    adopted.write(an_idle(a_past(adopted.revision(), 4, Outcome.ROLLED_BACK)))
    result = adopted.canary("start", "web", "--image", "web:1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1].startswith("error: revision")
    assert "canary retry web" in result.stderr


def test_nothing_is_shipped_before_the_canary_is_adopted(town: Town) -> None:
    town.found()
    before = town.revision()
    result = town.canary("start", "web", "--image", "web:2", "--timeout", "1s")
    assert result.exit_code == 13
    assert "no controller adopted web within 1 s, nothing was shipped" in result.stderr
    assert town.revision() == before


def test_nothing_is_shipped_into_a_canary_that_is_not_ready(town: Town) -> None:
    town.found()
    before = town.revision()
    town.write(not_ready())
    result = town.canary("start", "web", "--image", "web:2")
    assert result.exit_code == 1
    assert "not ready, nothing was shipped: Conflict: someone older" in result.stderr
    assert town.revision() == before


def test_time_out_says_what_the_canary_says(adopted: Town) -> None:
    adopted.write(an_idle(promoted="old", reason=Reason.PAUSED, message="Revision x waits: spec.paused is true."))
    result = adopted.canary("start", "web", "--image", "web:2", "--timeout", "1s")
    assert (result.exit_code, result.stdout) == (13, "")
    assert "the Canary says Paused: Revision x waits: spec.paused is true." in result.stderr


def test_the_container_must_be_said_where_there_are_several(town: Town) -> None:
    town.found()
    town.apply(a_deployment("web-canary", containers=("app", "cache", "linkerd-proxy")))
    town.write(an_idle(promoted="old"))
    result = town.canary("start", "web", "--image", "web:2")
    assert result.exit_code == 1
    assert "say which container gets 'web:2', as CONTAINER=IMAGE; there are app, cache" in result.stderr


def test_a_canary_that_is_not_there_is_said(town: Town) -> None:
    result = town.canary("start", "web", "--image", "web:2")
    assert (result.exit_code, result.stderr) == (1, f"error: there is no Canary 'web' in namespace {town.namespace}\n")


def not_ready() -> CanaryStatus:
    from dataclasses import replace

    from canary.core.status import Condition
    from tests.cli.town import AT

    condition = Condition(
        type="Ready", status=False, reason=Reason.CONFLICT, message="someone older", since=AT, generation=1
    )
    return replace(an_idle(), conditions=(condition,))
