"""The chart installed, upgraded, rolled back and uninstalled by Helm, and its controllers at work under its rights.

All on the real control plane; both modes are played once, one after the other.
"""

import asyncio
import json
from pathlib import Path

import pytest
import yaml

from canary.lab.controlplane import PlaneFailed
from canary.lab.fields import rows
from canary.lab.realplane import assets
from e2e.install.acts import acts, play_all
from e2e.install.cluster_wide import ClusterWide
from e2e.install.namespaced import Namespaced
from e2e.install.release import HELM
from e2e.install.site import HERE, POLICIES, UPSTREAM, Site

# aiohttp's server leaves a connection to the collector that a dying pod drops in mid-answer
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

MANY, FEW = 40, 20  # requests per second: where a release is to pass its gates, and where it is not
TIMEOUT = 900  # seconds for both modes: the first test waits for them
REPORT = Path(__file__).parents[2] / ".cache" / "e2e" / "install.json"
PLAYS = {"cluster": ClusterWide, "namespaces": Namespaced}


async def perform(home: Path, modes: set[str]) -> tuple[dict[str, dict[str, str]], dict[str, int]]:
    """Play the modes; returns what went wrong in each act, and what a rollout asked of the API server."""
    wrong: dict[str, dict[str, str]] = {}
    requests: dict[str, int] = {}
    async with Site("real", home) as site:
        if "cluster" in modes:
            shop, yard = await asyncio.gather(site.scene("shop", rps=MANY), site.scene("yard", rps=FEW))
            async with site.node("canary-system") as node:
                play = ClusterWide(site, node, shop, yard)
                wrong["cluster"], requests = await play_all(play), play.requests
            await site.api.delete(f"/api/v1/namespaces/{shop.namespace}")
        if "namespaces" in modes:
            one, other, third = await asyncio.gather(
                site.scene("team-one", rps=MANY), site.scene("team-other", rps=FEW), site.scene("elsewhere", rps=FEW)
            )
            async with site.node("team-ops") as node:
                wrong["namespaces"] = await play_all(Namespaced(site, node, (one, other, third)))
    return wrong, requests


@pytest.fixture(scope="session")
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Play what is asked for, and write down what a rollout asked."""
    try:
        assets()
    except PlaneFailed as missing:
        pytest.skip(missing.hint)
    items = [item for item in request.session.items if item.path == Path(__file__) and hasattr(item, "callspec")]
    modes = {item.callspec.params["mode"] for item in items}
    wrong, requests = asyncio.run(perform(tmp_path_factory.mktemp("install"), modes))
    if requests:
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text(json.dumps({"requests of one rollout": requests}, indent=2) + "\n")
        reporter = request.config.pluginmanager.get_plugin("terminalreporter")
        assert reporter is not None
        told = ", ".join(f"{count} {what}" for what, count in requests.items())
        reporter.write_line(f"\nrequests of one rollout ({REPORT.name}): {told}")
    return wrong


@pytest.mark.controlplane
@pytest.mark.timeout(TIMEOUT)
@pytest.mark.skipif(HELM is None, reason="no helm on PATH")
@pytest.mark.parametrize(("mode", "act"), [(mode, act) for mode, play in PLAYS.items() for act in acts(play)])
def test_act(mode: str, act: str, outcome: dict[str, dict[str, str]]) -> None:
    assert not outcome[mode][act], outcome[mode][act]


def bare(schema: object) -> object:
    """Drop the descriptions."""
    if isinstance(schema, dict):
        return {key: bare(value) for key, value in schema.items() if key != "description"}
    return [bare(each) for each in schema] if isinstance(schema, list) else schema


@pytest.mark.skipif(not UPSTREAM.is_dir(), reason="the upstream CRDs are not at hand")
def test_our_least_policy_kind_has_the_upstream_schema() -> None:
    ours, theirs = (
        rows(yaml.safe_load(path.read_text()), "spec", "versions")[0]
        for path in (HERE / "authorizationpolicies.yaml", UPSTREAM / f"{POLICIES}.yaml")
    )
    assert bare(ours) == bare(theirs)
