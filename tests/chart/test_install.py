"""The chart installs on a real API server, and gives the controller the rights that it needs and no other."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from canary.lab.realplane import RealPlane
from tests.chart.rendering import CHART, HELM
from tests.planes import a_real_plane

ACCOUNT = "system:serviceaccount:canary-system:canary"

pytestmark = [
    pytest.mark.skipif(HELM is None, reason="no helm on PATH"),
    pytest.mark.controlplane,
    pytest.mark.asyncio(loop_scope="module"),
]


async def run(*command: str | Path, feed: str = "") -> tuple[int | None, str]:
    """Run to the end; the exit code, and what was said."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(feed.encode())
    return process.returncode, said.decode()


async def kubectl(plane: RealPlane, *words: str, feed: str = "") -> tuple[int | None, str]:
    return await run(plane.kubectl, f"--kubeconfig={plane.kubeconfig}", *words, feed=feed)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plane(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealPlane]:
    """Start an API server with the chart installed, but for the policy, whose kind Linkerd brings."""
    assert HELM is not None
    where = ("--namespace=canary-system", "--kube-version=1.31.0", "--set=viz.authorizationPolicy=false", "--no-hooks")
    code, manifests = await run(HELM, "template", "canary", CHART, *where)
    assert code == 0, manifests
    async with a_real_plane(tmp_path_factory.mktemp("plane")) as plane:
        assert (await kubectl(plane, "create", "namespace", "canary-system"))[0] == 0
        enforced = "pod-security.kubernetes.io/enforce=restricted"
        assert (await kubectl(plane, "label", "namespace", "canary-system", enforced))[0] == 0
        code, said = await kubectl(plane, "apply", "-f", "-", feed=manifests)
        assert code == 0, said
        yield plane


async def test_its_pods_are_let_in_where_the_restricted_standard_is_enforced(plane: RealPlane) -> None:
    pods = ""
    for _ in range(100):
        _, pods = await kubectl(plane, "get", "pods", "-n", "canary-system", "-o", "name")
        if len(pods.split()) == 2:
            break
        await asyncio.sleep(0.1)
    assert len(pods.split()) == 2, await kubectl(plane, "describe", "-n", "canary-system", "replicasets")


@pytest.mark.parametrize(
    ("verb", "thing", "namespace"),
    [
        pytest.param("watch", "canaries.canary.dev", "web", id="watch canaries"),
        pytest.param("patch", "canaries.canary.dev", "web", id="add a finalizer"),
        pytest.param("update", "canaries.canary.dev/status", "web", id="save the status"),
        pytest.param("watch", "deployments.apps", "web", id="watch deployments"),
        pytest.param("patch", "deployments.apps", "web", id="promote"),
        pytest.param("patch", "deployments.apps/scale", "web", id="scale"),
        pytest.param("list", "replicasets.apps", "web", id="read revisions"),
        pytest.param("list", "pods", "web", id="read pods"),
        pytest.param("list", "horizontalpodautoscalers.autoscaling", "web", id="read autoscalers"),
        pytest.param("watch", "services", "web", id="watch services"),
        pytest.param("create", "events", "web", id="tell"),
        pytest.param("update", "leases.coordination.k8s.io/canary", "canary-system", id="lead"),
        pytest.param("create", "leases.coordination.k8s.io", "canary-system", id="lead first"),
        pytest.param("list", "namespaces", "", id="find linkerd-viz"),
    ],
)
async def test_the_controller_may(plane: RealPlane, verb: str, thing: str, namespace: str) -> None:
    assert await may(plane, verb, thing, namespace)


@pytest.mark.parametrize(
    ("verb", "thing", "namespace"),
    [
        pytest.param("delete", "deployments.apps", "web", id="delete deployments"),
        pytest.param("delete", "canaries.canary.dev", "web", id="delete canaries"),
        pytest.param("create", "canaries.canary.dev", "web", id="create canaries"),
        pytest.param("update", "deployments.apps", "web", id="overwrite deployments"),
        pytest.param("list", "secrets", "web", id="read secrets"),
        pytest.param("get", "configmaps", "web", id="read configmaps"),
        pytest.param("patch", "services", "web", id="change services"),
        pytest.param("delete", "pods", "web", id="delete pods"),
        pytest.param("update", "leases.coordination.k8s.io/other", "canary-system", id="take another's lease"),
        pytest.param("update", "leases.coordination.k8s.io/canary", "web", id="lead elsewhere"),
    ],
)
async def test_the_controller_may_not(plane: RealPlane, verb: str, thing: str, namespace: str) -> None:
    assert not await may(plane, verb, thing, namespace)


async def may(plane: RealPlane, verb: str, thing: str, namespace: str) -> bool:
    """Ask the API server whether our account may; a name may follow the kind, a subresource is written with a slash."""
    kind, _, rest = thing.partition("/")
    subresource = rest in ("status", "scale")
    words = [kind if subresource or not rest else f"{kind}/{rest}"]
    words += [f"--subresource={rest}"] if subresource else []
    words += [f"--namespace={namespace}"] if namespace else []
    code, said = await kubectl(plane, "auth", "can-i", verb, *words, f"--as={ACCOUNT}")
    assert said.strip().splitlines()[-1] in ("yes", "no"), said
    return code == 0
