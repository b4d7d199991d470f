from canary.lab.pods import Probe, parse_pod
from tests.lab.world import a_pod


def test_a_pod_is_read_with_its_environment_ports_and_probe() -> None:
    pod = parse_pod(a_pod(env={"LAB_READY": "false"}, probe="/ready"))
    assert pod.env == {"LAB_READY": "false"}
    assert pod.ports == {"": 8080, "http": 8080}
    assert pod.probe == Probe("/ready", 1, 3)
    assert (pod.ready, pod.deleting, pod.meshed) == (True, False, True)
    assert pod.identity == "web.shop.serviceaccount.identity.linkerd.cluster.local"


def test_a_target_port_is_a_number_or_the_name_of_a_port() -> None:
    pod = parse_pod(a_pod())
    assert (pod.port("http"), pod.port(9), pod.port("grpc")) == (8080, 9, None)


def test_a_native_sidecar_makes_a_pod_meshed() -> None:
    obj = a_pod()
    containers = obj["spec"]["containers"]  # type: ignore[index]  # as a_pod built it
    obj["spec"]["initContainers"] = [{**containers.pop(), "restartPolicy": "Always"}]  # type: ignore[index]
    assert parse_pod(obj).meshed


def test_a_pod_outside_the_mesh_has_no_identity() -> None:
    pod = parse_pod(a_pod(meshed=False))
    assert (pod.meshed, pod.identity, pod.owner) == (False, "", "")


def test_the_deployment_is_found_through_the_replica_set() -> None:
    obj = a_pod(meshed=False)
    obj["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "web-stable-aaa"}]  # type: ignore[index]
    assert parse_pod(obj).owner == "web-stable"


def test_a_client_pod_needs_no_port() -> None:
    assert parse_pod(a_pod(port=None)).ports == {}
