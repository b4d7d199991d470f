from canary.adapters.api import Json
from canary.lab.fields import rows
from canary.lab.pods import parse_pod
from canary.lab.podstatus import Condition, StatusWriter, Waiting
from tests.lab.world import a_pod

LOOP = Waiting("CrashLoopBackOff", "the app died")


def a_writer() -> StatusWriter:
    return StatusWriter(parse_pod(a_pod()), "10.244.0.1")


def conditions(status: Json) -> dict[object, object]:
    return {row["type"]: row["status"] for row in rows(status, "conditions")}


def test_a_running_pod_is_ready_when_its_probe_says_so() -> None:
    writer = a_writer()
    starting = writer.render("10.244.0.7", Condition())
    assert conditions(starting) == {
        "PodScheduled": "True",
        "Initialized": "True",
        "ContainersReady": "False",
        "Ready": "False",
    }
    assert starting["phase"] == "Running"
    assert [row["ready"] for row in rows(starting, "containerStatuses")] == [False, True]
    assert conditions(writer.render("10.244.0.7", Condition(ready=True)))["Ready"] == "True"


def test_a_pod_that_cannot_be_made_is_pending_and_says_why() -> None:
    status = a_writer().render("10.244.0.7", Condition(app=Waiting("CreateContainerConfigError", "LAB_READY: …")))
    assert status["phase"] == "Pending"
    app = rows(status, "containerStatuses")[0]
    assert app["state"] == {"waiting": {"reason": "CreateContainerConfigError", "message": "LAB_READY: …"}}
    assert rows(status, "conditions")[-1]["message"] == "LAB_READY: …"


def test_a_dead_app_leaves_its_proxy_ready() -> None:
    status = a_writer().render("10.244.0.7", Condition(app=LOOP, restarts=2, died="2026-01-01T00:00:00Z"))
    app, proxy = rows(status, "containerStatuses")
    assert (app["ready"], app["restartCount"], proxy["ready"], proxy["restartCount"]) == (False, 2, True, 0)
    assert app["lastState"] == {
        "terminated": {"exitCode": 137, "reason": "Error", "finishedAt": "2026-01-01T00:00:00Z"}
    }
    assert status["phase"] == "Running"


def test_a_dead_pod_is_dead_in_all_containers() -> None:
    status = a_writer().render("10.244.0.7", Condition(app=LOOP, proxy=LOOP, restarts=1, died="2026-01-01T00:00:00Z"))
    assert [row["ready"] for row in rows(status, "containerStatuses")] == [False, False]


def test_a_condition_keeps_the_time_of_its_last_change() -> None:
    writer = a_writer()
    first = rows(writer.render("10.244.0.7", Condition()), "conditions")[-1]["lastTransitionTime"]
    writer._since["Ready"] = ("False", "2020-01-01T00:00:00Z")
    kept = rows(writer.render("10.244.0.7", Condition()), "conditions")[-1]["lastTransitionTime"]
    changed = rows(writer.render("10.244.0.7", Condition(ready=True)), "conditions")[-1]["lastTransitionTime"]
    assert kept == "2020-01-01T00:00:00Z"
    assert changed >= first  # type: ignore[operator]  # both are stamps


def test_native_sidecars_have_their_status_among_the_init_containers() -> None:
    obj = a_pod()
    containers = obj["spec"]["containers"]  # type: ignore[index]  # as a_pod built it
    obj["spec"]["initContainers"] = [{**containers.pop(), "restartPolicy": "Always"}]  # type: ignore[index]
    status = StatusWriter(parse_pod(obj), "10.244.0.1").render("10.244.0.7", Condition(ready=True))
    assert [row["name"] for row in rows(status, "containerStatuses")] == ["app"]
    assert [row["name"] for row in rows(status, "initContainerStatuses")] == ["linkerd-proxy"]
