"""What is said of a look."""

from canary.core.snapshot import Key
from tests.build import canary, pods


def test_a_key_is_written_as_kubectl_does() -> None:
    assert str(Key("shop", "web")) == "shop/web"


def test_a_pod_serves_when_it_is_ready_meshed_and_stays() -> None:
    mixed = pods("c2", 2, unready=1, unmeshed=1, leaving=1)
    assert canary(pods=(*mixed, *pods("c1", 1))).serving("c2") == 2
    assert canary(pods=(*mixed, *pods("c1", 1))).serving() == 3
