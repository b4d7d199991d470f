"""One table of requests and answers, run against both back ends: where they differ, the embedded one is wrong."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from canary.lab.controlplane import PlaneFailed, choose
from e2e.conformance.rows import Row, Scenario, all_rows, scenarios
from e2e.conformance.server import Server


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=["embedded", pytest.param("real", marks=pytest.mark.controlplane)]
)
async def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    home: Path = tmp_path_factory.mktemp(request.param)
    try:
        plane = choose(request.param, home)
    except PlaneFailed as missing:
        pytest.skip(str(missing))
    await plane.start()
    try:
        reached = Server.of(request.param, plane.kubeconfig)
        yield reached
        await reached.close()
    finally:
        await plane.stop()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.timeout(90)
@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.title)
async def test_every_row_is_answered_as_the_table_says(server: Server, scenario: Scenario) -> None:
    if server.name == "embedded" and scenario.title.startswith("rules:"):
        pytest.importorskip(
            "celpy", reason="the embedded server evaluates CEL rules only where cel-python is installed"
        )
    names = await server.namespace()
    wrong: list[str] = []
    for row in scenario.rows:
        wrong += await server.play(row, names)
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_table_has_at_least_150_rows() -> None:
    assert sum(1 for _ in all_rows()) >= 150


# What the controller, the command line, the lab and kubectl do, by kind.
NEEDED = {
    "namespaces": "create get list delete",
    "configmaps": "create get list watch replace patch delete deletecollection",
    "secrets": "create",
    "serviceaccounts": "create get",
    "services": "create get list replace patch delete",
    "nodes": "create",
    "endpoints": "create",
    "endpointslices": "create",
    "pods": "create get list watch patch delete",
    "pods/status": "patch",
    "pods/binding": "create",
    "deployments": "create get list patch delete",
    "deployments/status": "patch",
    "deployments/scale": "get replace patch",
    "replicasets": "create get list",
    "replicasets/scale": "patch",
    "events": "create get list patch delete",
    "leases": "create get list replace patch delete",
    "horizontalpodautoscalers": "create list",
    "customresourcedefinitions": "create get delete",
    "canaries": "create get list watch patch delete",
    "canaries/status": "replace",
    "trafficsplits": "create get list watch patch delete",
}
VERBS = {"POST": "create", "PUT": "replace", "PATCH": "patch"}


def deed(row: Row) -> tuple[str, str]:
    """Name what a row does, and to what."""
    kind, name = kind_and_name(row.path)
    if row.events is not None:
        return "watch", kind
    listed = {"GET": "get" if name else "list", "DELETE": "delete" if name else "deletecollection"}
    return (listed | VERBS)[row.method], kind


def kind_and_name(path: str) -> tuple[str, str]:
    parts = path.partition("?")[0].strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        rest = rest[2:]
    plural, name, subresource, *_ = (*rest, "", "", "")
    return plural + (f"/{subresource}" if subresource else ""), name


def test_the_table_has_every_verb_that_somebody_needs() -> None:
    done = {deed(row) for row in all_rows() if row.code < 300}
    needed = {(verb, kind) for kind, verbs in NEEDED.items() for verb in verbs.split()}
    assert needed - done == set()
