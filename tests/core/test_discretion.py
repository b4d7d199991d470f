"""A status does not repeat the addresses of webhooks, and a rollout finds them again."""

import json

import pytest

from canary.core.discretion import HIDDEN, QUOTED, discreet, with_urls, without_urls
from canary.core.manifest import as_object, last_valid, parse_spec
from canary.core.record import parse_status, render_status
from canary.core.status import Phase, Reason
from canary.errors import InvalidSpec
from tests.build import a_hook, a_raw_spec, a_snapshot, a_status, tick, with_hook

SECRET = "http://me:hunter2@hook.shop/services/T0/B0/hunter2?token=hunter2"
HOOK = {"name": "may", "type": "confirm-step", "url": SECRET}


def hooked(*hooks: object) -> dict[str, object]:
    return a_raw_spec(gates={"successRate": {"min": "99%"}, "webhooks": list(hooks)})


def test_addresses_are_taken_out_and_nothing_else() -> None:
    spec = hooked(HOOK, a_hook("other", "notify"))
    found = without_urls(spec)
    assert "hunter2" not in json.dumps(found)
    assert json.dumps(found).count(HIDDEN) == 2
    assert with_urls(found, spec) == spec
    assert parse_spec(as_object(found)).webhooks[0].url == HIDDEN
    assert without_urls(found) == found


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"gates": 7}, id="gates that are none"),
        pytest.param({"gates": {"webhooks": {"url": "x"}}}, id="webhooks that are no list"),
        pytest.param({"gates": {"webhooks": ["x", {"name": "no address"}]}}, id="webhooks that are none"),
        pytest.param(a_raw_spec(), id="no webhooks"),
    ],
)
def test_what_has_no_addresses_stays_as_it_is(spec: dict[str, object]) -> None:
    assert without_urls(spec) == spec
    assert with_urls(spec, hooked(HOOK)) == spec


@pytest.mark.parametrize(
    ("now", "url"),
    [
        pytest.param(hooked(HOOK), SECRET, id="as before"),
        pytest.param(hooked({**HOOK, "url": "https://new.shop/"}), "https://new.shop/", id="another"),
        pytest.param(hooked({**HOOK, "url": "new.shop"}), HIDDEN, id="one that is none"),
        pytest.param(hooked({**HOOK, "name": "might"}), HIDDEN, id="of another name"),
        pytest.param({"gates": None}, HIDDEN, id="gone"),
    ],
)
def test_the_last_valid_spec_has_the_addresses_of_now(now: dict[str, object], url: str) -> None:
    spec = last_valid(without_urls(hooked(HOOK)), {**now, "abort": "web-c2-1"}, "web")
    assert [hook.url for hook in spec.webhooks] == [url]
    assert spec.abort == "web-c2-1"


def test_another_address_is_no_other_spec() -> None:
    spec = with_hook("may", "confirm-step")
    seen = a_snapshot(a_status(Phase.PROGRESSING, 100), spec={"gates": spec})
    decided = tick(seen)
    assert Reason.SPEC_CHANGED not in [notice.reason for notice in decided.notices]
    written = json.dumps(render_status(decided.status))
    assert "may.shop" not in written
    again = parse_status(json.loads(written)).rollout
    assert again is not None
    assert decided.status.rollout is not None
    assert again.spec == decided.status.rollout.spec


def test_an_address_that_an_older_version_wrote_down_is_forgotten() -> None:
    record = render_status(a_status(Phase.PROGRESSING, 100))
    rollout = record["rollout"]
    assert isinstance(rollout, dict)
    rollout["spec"] = hooked(HOOK)
    assert "hunter2" not in json.dumps(render_status(parse_status(record)))


@pytest.mark.parametrize(
    "gates",
    [
        pytest.param({"webhooks": [{**HOOK, "url": "hooks.shop/hunter2"}]}, id="no scheme"),
        pytest.param({"webhooks": [{**HOOK, "url": SECRET * 9}]}, id="too long"),
        pytest.param({"webhooks": [{**HOOK, "url": "ftp://me:hunter2@hook.shop"}]}, id="another scheme"),
        pytest.param({"webhooks": [{**HOOK, "url": "me:hunter2@hook.shop"}]}, id="a password and no scheme"),
        pytest.param({"webhooks": [{**HOOK, "url": "http://hook.shop:0/a b\nhunter2"}]}, id="lines"),
        pytest.param({"webhooks": [HOOK, HOOK]}, id="twice the same"),
        pytest.param({"webhooks": [HOOK], "latency": None}, id="no gates beside it"),
        pytest.param({"webhook": [HOOK]}, id="misspelt above it"),
        pytest.param({"webhooks": [{**HOOK, "uri": SECRET}]}, id="misspelt itself"),
        pytest.param([{"webhooks": [HOOK]}], id="a list of gates"),
    ],
)
def test_no_problem_quotes_an_address(gates: object) -> None:
    with pytest.raises(InvalidSpec) as found:
        parse_spec(as_object(a_raw_spec(gates=gates)))
    assert "hunter2" not in str(found.value)


def test_of_what_is_nested_deeply_a_problem_quotes_the_outside() -> None:
    deep: object = 1
    for _ in range(5000):
        deep = [deep]
    assert str(discreet(deep)) == "[" * QUOTED + "'…'" + "]" * QUOTED
