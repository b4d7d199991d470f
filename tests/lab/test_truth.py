from canary.lab.truth import Place, Truth


def test_counts_add_up_by_backend_revision_and_route() -> None:
    truth = Truth()
    truth.at(Place("shop", "web-canary", "a", "v1", "GET /")).sent += 5
    truth.at(Place("shop", "web-canary", "b", "v2", "GET /")).sent += 7
    truth.at(Place("shop", "web-stable", "c", "v1", "POST /")).sent += 11
    assert truth.total().sent == 23
    assert truth.total(service="web-canary").sent == 12
    assert truth.total(service="web-canary", revision="v2").sent == 7
    assert truth.total(route="POST /").sent == 11
    assert truth.total(namespace="elsewhere").sent == 0


def test_requests_under_way_are_neither_answered_nor_given_up() -> None:
    truth = Truth()
    tally = truth.at(Place("shop", "web", "a", "v1", ""))
    tally.sent, tally.answered, tally.unanswered = 10, 6, 1
    assert tally.open == 3


def test_the_document_names_every_place() -> None:
    truth = Truth()
    truth.at(Place("shop", "web", "a", "v1", "")).undelivered = 2
    assert truth.document()["places"] == [{
        "namespace": "shop", "service": "web", "pod": "a", "revision": "v1", "route": "",
        "sent": 0, "answered": 0, "failed": 0, "unanswered": 0, "undelivered": 2, "hurt": 0, "open": 0,
    }]  # fmt: skip
