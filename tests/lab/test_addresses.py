import socket

import pytest

from canary.lab.addresses import Block, NoAddress, loopback


def test_a_pod_address_maps_to_loopback() -> None:
    assert loopback("10.244.3.17") == "127.1.3.17"


def test_two_labs_never_share_a_block() -> None:
    first, second = Block.claim(), Block.claim()
    try:
        assert first.node != second.node
    finally:
        first.release()
        second.release()


def test_an_address_that_was_given_back_comes_last() -> None:
    block = Block(9, socket.socket())
    try:
        first, second = block.take(), block.take()
        block.give_back(first)
        rest = [block.take() for _ in range(252)]
        assert first not in rest[:-1]
        assert rest[-1] == first
        assert second not in rest
        with pytest.raises(NoAddress, match="253"):
            block.take()
    finally:
        block.release()
