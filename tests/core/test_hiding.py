"""Pod labels that would have requests counted wrongly are refused, where that matters."""

from dataclasses import replace

import pytest

from canary.core.book import Manner
from canary.core.hiding import hiding
from canary.core.status import Phase, Reason
from tests.build import DOWN, a_book, a_snapshot, a_status, a_template, canary, stable, tick

ROUTED = {"gates": {"routes": [{"name": "GET /", "successRate": {"min": "99%"}}]}}


@pytest.mark.parametrize(
    ("label", "hides"),
    [
        pytest.param("direction", True, id="a label of the proxy's"),
        pytest.param("status-code", True, id="one that becomes such"),
        pytest.param("linkerd.io/tls", True, id="one of Linkerd's own prefix"),
        pytest.param("shop.example/direction", False, id="another prefix"),
        pytest.param("app", False, id="an ordinary one"),
    ],
)
def test_a_label_hides_what_it_is_named_like(label: str, *, hides: bool) -> None:
    assert bool(hiding(a_template("2", **{label: "x"}))) == hides


@pytest.mark.parametrize("template", [{}, {"metadata": None}, {"metadata": {"labels": None}}])
def test_a_template_without_labels_hides_nothing(template: dict[str, object]) -> None:
    assert hiding(template) == ""


@pytest.mark.parametrize("phase", [Phase.IDLE, Phase.PROGRESSING])
def test_a_colliding_label_holds_what_is_judged_by_route(phase: Phase) -> None:
    odd = canary(template=a_template("2", direction="x"))
    decided = tick(a_snapshot(a_status(phase, 0), canary=odd, spec=ROUTED))
    assert (decided.status.phase, decided.status.weight, decided.status.reason) == (phase, 0, Reason.LABEL_COLLISION)
    assert "pods of 'web-canary' have the label 'direction'" in decided.status.message


def test_a_colliding_label_of_stable_is_named_as_its() -> None:
    decided = tick(a_snapshot(stable=stable(template=a_template("1", tls="true")), spec=ROUTED))
    assert "spec.stable.deployment: pods of 'web-stable' have the label 'tls'" in decided.status.message


def test_it_is_no_matter_where_all_is_counted_at_clients() -> None:
    decided = tick(a_snapshot(canary=canary(template=a_template("2", direction="x"))))
    assert decided.status.reason is not Reason.LABEL_COLLISION


def test_it_matters_where_the_service_is_counted_at_its_servers() -> None:
    served = a_book(manner=Manner(client=False, bounds=frozenset(), routes=False))
    odd = canary(template=a_template("2", direction="x"))
    decided = tick(a_snapshot(replace(a_status(Phase.PROGRESSING, 100), book=served), canary=odd), reading=DOWN)
    assert decided.status.reason is Reason.LABEL_COLLISION
