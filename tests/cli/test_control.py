"""Orders over HTTP: they set their field of the spec and leave everything else alone."""

import pytest

from canary.core.status import CanaryStatus, Outcome, Phase, Reason
from tests.cli.town import Town, a_past, a_rollout, a_running, an_idle, said

BAKED = a_running(phase=Phase.BAKING, reason=Reason.AWAITING_APPROVAL)


@pytest.mark.parametrize(
    ("order", "status", "field", "value"),
    [
        pytest.param("pause", a_running(), "paused", True, id="pause"),
        pytest.param("resume", a_running(), "paused", False, id="resume"),
        pytest.param("abort", a_running(), "abort", "web-new-1", id="abort"),
        pytest.param("approve", BAKED, "approve", "web-new-1", id="approve"),
    ],
)
def test_an_order_sets_one_field(town: Town, order: str, status: CanaryStatus, field: str, value: object) -> None:
    town.found(paused=order == "resume", promotion={"approval": "Manual"})
    town.write(status)
    before = town.spec()
    result = town.canary(order, "web")
    assert (result.exit_code, result.stderr) == (0, "")
    assert town.spec() == {**before, field: value}


def test_retry_names_the_revision_that_the_deployment_carries(town: Town) -> None:
    town.found()
    town.write(an_idle(a_past(town.revision(), 5, Outcome.ROLLED_BACK)))
    assert town.canary("retry", "web").exit_code == 0
    assert town.spec()["retry"] == f"web-{town.revision()}-5"


def test_retry_is_refused_where_the_deployment_carries_another_revision(town: Town) -> None:
    town.found()
    town.write(an_idle(a_past("gone", 5, Outcome.ROLLED_BACK)))
    result = town.canary("retry", "web")
    assert (result.exit_code, result.stdout) == (1, "")
    assert (
        result.stderr
        == f"error: web-gone-5 cannot be run again: the canary Deployment carries {town.revision()}, not gone\n"
    )
    assert "retry" not in town.spec()


def test_the_same_order_twice_is_no_error(town: Town) -> None:
    town.found()
    town.write(a_running())
    first, second = (said(town.canary("pause", "web", "-o", "json")) for _ in range(2))
    assert (first["changed"], second["changed"]) == (True, False)
    assert second == {
        "canary": "web",
        "namespace": town.namespace,
        "order": "pause",
        "rollout": "web-new-1",
        "changed": False,
        "message": "is paused already",
    }


def test_an_order_about_another_rollout_changes_nothing(town: Town) -> None:
    town.found()
    town.write(a_running(a_rollout("newer", 2)))
    result = town.canary("abort", "web", "--rollout", "web-new-1")
    assert (result.exit_code, result.stderr) == (1, "error: web-new-1 does not run; web-newer-2 does\n")
    assert "abort" not in town.spec()
