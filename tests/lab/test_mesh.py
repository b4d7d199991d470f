import pytest

from canary.lab.mesh import Destination, Mesh
from tests.lab.world import a_pod, a_profile, a_route, a_service, a_split


def a_mesh() -> Mesh:
    mesh = Mesh()
    for service in (a_service("web", "web-stable"), a_service("web-stable"), a_service("web-canary")):
        mesh.observe("Service", service, deleted=False)
    for number, app in enumerate(("web-stable", "web-stable", "web-canary")):
        mesh.observe("Pod", a_pod(f"{app}-{number}", app=app, ip=f"10.244.0.{number}"), deleted=False)
    return mesh


def resolve(mesh: Mesh, reader: str = "shop", service: str = "web", port: int = 8080) -> Destination:
    found = mesh.destination(reader, service, "shop", port)
    assert found is not None
    return found


def shares(destination: Destination) -> dict[str, int]:
    return {backend.service: backend.weight for backend in destination.split}


def test_without_a_split_the_apex_has_its_own_endpoints() -> None:
    found = resolve(a_mesh())
    assert shares(found) == {}
    assert [pod.name for pod, _ in found.plain.endpoints] == ["web-stable-0", "web-stable-1"]
    assert not found.by_profile


def test_a_split_names_its_backends_with_their_ready_pods() -> None:
    mesh = a_mesh()
    mesh.observe("TrafficSplit", a_split({"web-stable": "900m", "web-canary": "100m"}), deleted=False)
    found = resolve(mesh)
    assert shares(found) == {"web-stable": 900, "web-canary": 100}
    assert [[(pod.name, port) for pod, port in backend.endpoints] for backend in found.split] == [
        [("web-stable-0", 8080), ("web-stable-1", 8080)],
        [("web-canary-2", 8080)],
    ]


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        pytest.param({"web-stable": "1000m", "web-canary": "0m"}, {"web-stable": 1000}, id="0 takes a backend out"),
        pytest.param({"web-stable": 0, "web-canary": 0}, {}, id="all 0 is no split: back to the apex"),
        pytest.param(
            {"web-stable": 9, "nowhere": 1}, {"web-stable": 9000, "nowhere": 1000}, id="a missing Service stays"
        ),
    ],
)
def test_weights_of_zero(weights: dict[str, object], expected: dict[str, int]) -> None:
    mesh = a_mesh()
    mesh.observe("TrafficSplit", a_split(weights), deleted=False)
    assert shares(resolve(mesh)) == expected


def test_deleting_a_split_sends_everything_to_the_apex() -> None:
    mesh = a_mesh()
    split = a_split({"web-stable": "500m", "web-canary": "500m"})
    mesh.observe("TrafficSplit", split, deleted=False)
    mesh.observe("TrafficSplit", split, deleted=True)
    assert shares(resolve(mesh)) == {}


def test_of_two_splits_on_one_apex_the_last_writer_wins() -> None:
    mesh = a_mesh()
    mesh.observe("TrafficSplit", a_split({"web-stable": 1}, name="a"), deleted=False)
    mesh.observe("TrafficSplit", a_split({"web-canary": 1}, name="b"), deleted=False)
    mesh.observe("TrafficSplit", a_split({"web-stable": 2}, name="a"), deleted=False)
    assert shares(resolve(mesh)) == {"web-stable": 2000}


def test_a_split_that_cannot_be_read_changes_nothing() -> None:
    mesh = a_mesh()
    mesh.observe("TrafficSplit", a_split({"web-stable": 1}), deleted=False)
    mesh.observe("TrafficSplit", a_split({"web-stable": "lots"}), deleted=False)
    assert shares(resolve(mesh)) == {"web-stable": 1000}


def test_a_port_the_apex_does_not_declare_has_no_split() -> None:
    mesh = a_mesh()
    mesh.observe("TrafficSplit", a_split({"web-canary": 1}), deleted=False)
    assert shares(resolve(mesh, port=9999)) == {}


def test_a_profile_in_the_clients_namespace_hides_the_split() -> None:
    mesh = a_mesh()
    mesh.observe("TrafficSplit", a_split({"web-canary": 1}), deleted=False)
    mesh.observe("ServiceProfile", a_profile(a_route("GET /own"), namespace="elsewhere"), deleted=False)
    assert shares(resolve(mesh, reader="elsewhere")) == {}
    assert shares(resolve(mesh, reader="shop")) == {"web-canary": 1000}
    assert mesh.profile("shop", "web.shop.svc.cluster.local:8080") is None


def test_a_profile_of_the_services_namespace_is_everybodys_else() -> None:
    mesh = a_mesh()
    mesh.observe("ServiceProfile", a_profile(a_route()), deleted=False)
    for reader in ("shop", "elsewhere"):
        found = mesh.profile(reader, "web.shop.svc.cluster.local:8080")
        assert found is not None
        assert found.match("POST", "/api/task") is not None


def test_a_broken_profile_leaves_the_last_good_one() -> None:
    mesh = a_mesh()
    mesh.observe("ServiceProfile", a_profile(a_route()), deleted=False)
    mesh.observe("ServiceProfile", a_profile({"name": "x", "condition": {}}), deleted=False)
    assert resolve(mesh).by_profile


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(a_pod("web-canary-2", app="web-canary", ready=False), id="not ready"),
        pytest.param(a_pod("web-canary-2", app="web-canary", ip=""), id="without address"),
        pytest.param(a_pod("web-canary-2", app="other"), id="with other labels"),
        pytest.param(a_pod("web-canary-2", app="web-canary", namespace="elsewhere"), id="in another namespace"),
    ],
)
def test_only_ready_pods_the_service_selects_are_endpoints(pod: dict[str, object]) -> None:
    mesh = a_mesh()
    mesh.observe("TrafficSplit", a_split({"web-canary": 1}), deleted=False)
    mesh.observe("Pod", a_pod("web-canary-2"), deleted=True)
    mesh.observe("Pod", pod, deleted=False)
    assert resolve(mesh).split[0].endpoints == ()


def test_a_service_that_does_not_exist_resolves_to_nothing() -> None:
    assert Mesh().destination("shop", "web", "shop", 8080) is None


def test_subscribers_hear_of_every_change_until_they_leave() -> None:
    mesh, heard = Mesh(), []
    leave = mesh.subscribe(lambda: heard.append(1))
    mesh.observe("Service", a_service("web"), deleted=False)
    leave()
    mesh.observe("Service", a_service("web"), deleted=True)
    assert heard == [1]
