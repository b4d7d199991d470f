"""Which container an image is for."""

import pytest

from canary.cli.images import NoContainer, operations
from tests.cli.town import a_deployment


def changing(index: int, name: str, image: str, kind: str = "containers") -> list[dict[str, object]]:
    place = f"/spec/template/spec/{kind}/{index}"
    return [
        {"op": "test", "path": f"{place}/name", "value": name},
        {"op": "replace", "path": f"{place}/image", "value": image},
    ]


@pytest.mark.parametrize(
    ("containers", "images", "patch"),
    [
        pytest.param(["app"], ["web:2"], changing(0, "app", "web:2"), id="the only one"),
        pytest.param(["linkerd-proxy", "app"], ["web:2"], changing(1, "app", "web:2"), id="the one beside the proxy"),
        pytest.param(["a", "b"], ["b=web:2"], changing(1, "b", "web:2"), id="by name"),
        pytest.param(
            ["a", "b"], ["b=web:2", "a=web:3"], changing(1, "b", "web:2") + changing(0, "a", "web:3"), id="two"
        ),
        pytest.param(["app"], ["web:1"], [], id="there already"),
        pytest.param(["a", "b"], ["a=web:1", "b=web:2"], changing(1, "b", "web:2"), id="one of two there already"),
        pytest.param(
            ["app"],
            ["host:5000/web@sha256:00"],
            changing(0, "app", "host:5000/web@sha256:00"),
            id="with a registry, a port and a digest",
        ),
    ],
)
def test_a_patch(containers: list[str], images: list[str], patch: list[object]) -> None:
    assert operations(a_deployment("web", containers=containers), images) == patch


def test_an_init_container_is_meant_by_name_only() -> None:
    deployment = a_deployment("web")
    deployment["spec"]["template"]["spec"]["initContainers"] = [{"name": "migrate", "image": "m:1"}]  # type: ignore[index]
    assert operations(deployment, ["migrate=m:2"]) == changing(0, "migrate", "m:2", "initContainers")
    assert operations(deployment, ["web:2"]) == changing(0, "app", "web:2")


@pytest.mark.parametrize(
    ("containers", "image", "told"),
    [
        pytest.param(["app", "cache"], "web:2", "as CONTAINER=IMAGE; there are app, cache", id="which one"),
        pytest.param(["app"], "ap=web:2", "no container 'ap'; it has app", id="misspelt"),
        pytest.param(["app"], "app=", "an image is missing", id="no image"),
        pytest.param(["app"], "", "an image is missing", id="nothing"),
        pytest.param([], "web:2", "there are none", id="no containers"),
    ],
)
def test_a_refusal(containers: list[str], image: str, told: str) -> None:
    with pytest.raises(NoContainer, match=told):
        operations(a_deployment("web", containers=containers), [image])
