import aiohttp

from canary.lab.discovery import Discovery, targets
from canary.lab.truth import Place, Truth
from tests.lab.world import a_pod


def test_every_port_of_a_pod_is_a_target_with_the_labels_of_a_kubernetes_discovery() -> None:
    app, proxy = targets([a_pod()])
    assert app["targets"] == ["127.1.7.9:8080"]
    assert proxy["targets"] == ["127.1.7.9:4191"]
    labels = proxy["labels"]
    assert isinstance(labels, dict)
    assert {name.removeprefix("__meta_kubernetes_"): value for name, value in labels.items()} == {
        "namespace": "shop",
        "pod_name": "web-stable-aaa-1",
        "pod_uid": "uid-web-stable-aaa-1",
        "pod_ip": "10.244.7.9",
        "pod_phase": "Running",
        "pod_ready": "true",
        "pod_container_init": "false",
        "pod_container_name": "linkerd-proxy",
        "pod_container_image": "proxy:1",
        "pod_container_port_name": "linkerd-admin",
        "pod_container_port_number": "4191",
        "pod_container_port_protocol": "TCP",
        "pod_label_app": "web-stable",
        "pod_label_pod_template_hash": "aaa",
        "pod_label_linkerd_io_control_plane_ns": "linkerd",
        "pod_label_linkerd_io_proxy_deployment": "web-stable",
        "pod_labelpresent_app": "true",
        "pod_labelpresent_pod_template_hash": "true",
        "pod_labelpresent_linkerd_io_control_plane_ns": "true",
        "pod_labelpresent_linkerd_io_proxy_deployment": "true",
    }


def test_a_pod_without_an_address_is_no_target() -> None:
    assert list(targets([a_pod(ip="")])) == []


async def test_it_answers_with_targets_and_with_the_clients_counts() -> None:
    truth = Truth()
    truth.at(Place("shop", "web-canary", "a", "v1", "")).sent = 3
    discovery = Discovery(truth)
    discovery.observe(a_pod("stays"), deleted=False)
    discovery.observe(a_pod("leaves"), deleted=False)
    discovery.observe(a_pod("leaves"), deleted=True)
    await discovery.start()
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{discovery.url}/targets") as response:
                assert {target["labels"]["__meta_kubernetes_pod_name"] for target in await response.json()} == {"stays"}
            async with session.get(f"{discovery.url}/truth") as response:
                assert (await response.json())["places"][0]["sent"] == 3
    finally:
        await discovery.stop()
    assert discovery.meshed_pods() == {"stays"}
