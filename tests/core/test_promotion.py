"""What stable gets of a release, and when it has it: labels that find pods, annotations that others own, webhooks."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from canary.core.decision import SetTemplate
from canary.core.promotion import promoted, release
from canary.core.snapshot import Snapshot
from canary.core.spec import PromotionMode
from canary.core.status import Phase, Reason
from tests.build import a_snapshot, a_split, a_status, a_template, canary, released, stable, tick

Template = Mapping[str, object]
LATE = timedelta(minutes=31)


def with_annotations(template: Template, **annotations: str) -> Template:
    meta = template["metadata"]
    assert isinstance(meta, Mapping)
    return {**template, "metadata": {**meta, "annotations": annotations}}


def labels(template: Template) -> object:
    meta = template["metadata"]
    assert isinstance(meta, Mapping)
    return meta["labels"]


class TestLabels:
    def test_that_find_the_canarys_pods_stay_with_it(self) -> None:
        theirs = canary(
            template=a_template("c2", app="web", side="canary", track="new", tier="front"),
            selector={"app": "web", "side": "canary", "track": "new"},
        )
        ours = stable(template=a_template("s1", app="web", side="stable"), selector={"app": "web", "side": "stable"})
        template = release(theirs, "c2")
        assert template is not None
        copied = promoted(ours, template, PromotionMode.COPY)
        assert labels(copied) == {"app": "web", "side": "stable", "tier": "front"}
        assert copied["spec"] == a_template("c2")["spec"]

    def test_of_a_canary_that_is_gone_are_none(self) -> None:
        assert release(None, "c2") is None
        assert release(canary(), "c9") is None


def external(annotations: Mapping[str, str], before: Mapping[str, str], on_stable: Mapping[str, str]) -> Snapshot:
    """Look at a release with the same pod spec as before, promoted by someone else."""
    template = a_template("c2", app="web-canary")
    known = {"c2": with_annotations(template, **annotations), "c1": with_annotations(template, **before)}
    return a_snapshot(
        a_status(Phase.PROMOTING, 1000, copying=False),
        spec={"promotion": {"mode": "External"}},
        canary=canary(template=known["c2"], templates=known),
        stable=stable(template=with_annotations(a_template("c2", app="web-stable"), **on_stable)),
    )


class TestExternal:
    @pytest.mark.parametrize(
        ("annotations", "on_stable", "phase"),
        [
            pytest.param({"checksum": "2"}, {"checksum": "1"}, Phase.PROMOTING, id="a checksum that stable lacks"),
            pytest.param({"checksum": "2"}, {"checksum": "2"}, Phase.FINALISING, id="a checksum that stable has"),
            pytest.param({"checksum": "1", "own": "x"}, {"own": "y"}, Phase.PROMOTING, id="one more annotation"),
            pytest.param({"checksum": "1"}, {}, Phase.FINALISING, id="what is not new is stable's own affair"),
            pytest.param(
                {"checksum": "1", "kubectl.kubernetes.io/restartedAt": "noon"}, {}, Phase.FINALISING, id="a restart"
            ),
        ],
    )
    def test_stable_carries_what_the_release_brought(
        self, annotations: Mapping[str, str], on_stable: Mapping[str, str], phase: Phase
    ) -> None:
        assert tick(external(annotations, {"checksum": "1"}, on_stable)).status.phase is phase

    def test_where_the_former_template_is_gone_the_pod_spec_decides(self) -> None:
        seen = external({"checksum": "2"}, {}, {})
        assert seen.canary is not None
        forgotten = {"c2": seen.canary.templates["c2"]}
        assert tick(replace(seen, canary=replace(seen.canary, templates=forgotten))).status.phase is Phase.FINALISING

    def test_a_newer_revision_is_not_kept_waiting_for_one_that_nobody_will_promote(self) -> None:
        seen = external({"checksum": "2"}, {"checksum": "1"}, {"checksum": "1"})
        assert seen.canary is not None
        newer = replace(seen.canary, revision="c3", templates={**seen.canary.templates, "c3": a_template("c3")})
        status = tick(replace(seen, canary=newer)).status
        assert (status.phase, status.weight, status.reason) == (Phase.ROLLING_BACK, 0, Reason.SUPERSEDED)


def stamped(template: Template) -> Snapshot:
    """Look at a promotion whose template an admission webhook has changed."""
    both = {"s2": template, "s1": a_template("s1", app="web-stable")}
    status = a_status(Phase.PROMOTING, 1000, spent=LATE)
    return a_snapshot(status, stable=stable("s2", template=template, templates=both))


class TestStamped:
    def test_what_a_webhook_adds_keeps_no_release_from_being_promoted(self) -> None:
        seen = stamped(with_annotations(a_template("c2", app="web-stable", team="blue"), seen="yes"))
        assert tick(seen).status.phase is Phase.FINALISING

    def test_a_release_that_a_webhook_relabels_is_taken_off_stable_again(self) -> None:
        known = with_annotations(a_template("c2", app="web-canary"), team="red")
        seen = replace(
            stamped(with_annotations(a_template("c2", app="web-stable"), team="blue")), canary=canary(template=known)
        )
        failed = tick(seen)
        assert failed.status.phase is Phase.ROLLING_BACK
        assert [e.template for e in failed.effects if isinstance(e, SetTemplate)] == [
            a_template("s1", app="web-stable")
        ]
        again = replace(seen, status=failed.status, saved=failed.status, split=a_split(0), canary=canary(desired=1))
        assert tick(again).status.phase is Phase.ROLLING_BACK

    def test_before_it_was_written_nothing_is_taken_for_it(self) -> None:
        same = a_template("c2", app="web-stable", team="blue")
        seen = a_snapshot(a_status(Phase.PROMOTING, 1000), stable=stable("s1", template=same))
        assert any(isinstance(effect, SetTemplate) for effect in tick(seen).effects)


def test_stable_is_restored_although_the_canary_deployment_is_paused_with_another_template() -> None:
    known = {"c2": a_template("c2", app="web-canary")}
    seen = a_snapshot(
        a_status(Phase.ROLLING_BACK, 0, copying=True), stable=released(), canary=canary("", templates=known, desired=1)
    )
    restored = [effect.template for effect in tick(seen).effects if isinstance(effect, SetTemplate)]
    assert restored == [a_template("s1", app="web-stable")]
    assert "waiting for web-stable to have the template of s1" in tick(seen).status.message
