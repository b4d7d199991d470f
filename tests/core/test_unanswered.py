"""Requests that never get an answer are seen, and slow services are not taken for hanging ones."""

import json
import math
import random
from types import SimpleNamespace
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.eprocess import BAKE
from canary.core.unanswered import OpenRequests, Standing, too_many, unanswered_excess

P_BAD = 0.02


Step: TypeAlias = tuple[float, float, float, float]


def readings(*steps: Step, state: OpenRequests | None = None, weight: int = 100, seconds: float = 10.0) -> OpenRequests:
    """Observe (canary open, canary sent, stable open, stable sent) one after the other."""
    state = state or OpenRequests.fresh()
    for canary_open, canary_sent, stable_open, stable_sent in steps:
        state = state.observe(
            Standing(open=canary_open, sent=canary_sent),
            Standing(open=stable_open, sent=stable_sent),
            seconds=seconds,
            weight=weight,
            p_bad=P_BAD,
        )
    return state


class TestExcess:
    @pytest.mark.parametrize(
        ("open_canary", "rate", "open_time", "excess"),
        [
            pytest.param(6, 100, 0.02, 0, id="two expected, six open: chance"),
            pytest.param(30, 100, 0.02, 30 - 2 - 3 * math.sqrt(3), id="thirty open: not chance"),
            pytest.param(60, 50, 1.0, 0, id="a slow service is not a hanging one"),
            pytest.param(3, 5, 0, 0, id="three open of a fast one are chance"),
            pytest.param(-5, 5, 0, 0, id="counters read in mid-request"),
        ],
    )
    def test_is_what_time_and_chance_do_not_explain(
        self, open_canary: float, rate: float, open_time: float, excess: float
    ) -> None:
        assert unanswered_excess(open_canary, rate, open_time) == pytest.approx(excess)

    @given(
        open_canary=st.floats(0, 1e6), rate=st.floats(0, 1e4), open_time=st.floats(0, 60), requests=st.floats(0, 1e6)
    )
    def test_is_the_reference_s(
        self, reference: SimpleNamespace, open_canary: float, rate: float, open_time: float, requests: float
    ) -> None:
        excess = unanswered_excess(open_canary, rate, open_time)
        assert excess == reference.unanswered_excess(open_canary, rate, open_time)
        assert too_many(excess, requests, P_BAD) is reference.hung(excess, requests, P_BAD)

    @pytest.mark.parametrize(
        ("excess", "requests", "expected"),
        [
            pytest.param(20, 1000, True, id="twenty of a thousand"),
            pytest.param(19.9, 10, False, id="fewer than twenty, whatever the share"),
            pytest.param(50, 3000, False, id="fewer than the share that is bad"),
            pytest.param(60, 3000, True, id="just that share"),
        ],
    )
    def test_counts_from_a_least_number_and_share(self, excess: float, requests: float, expected: float) -> None:
        assert too_many(excess, requests, P_BAD) is expected


class TestHung:
    def test_needs_three_readings_in_a_row(self) -> None:
        bad = (60, 100, 9, 900)
        assert not readings(bad, bad).hung
        assert readings(bad, bad, bad).hung
        assert readings(bad, bad, bad, bad).hung

    def test_begins_anew_after_a_reading_that_disagrees(self) -> None:
        bad, fine = (60, 100, 9, 900), (1, 100, 9, 900)
        assert not readings(bad, bad, fine, bad, bad).hung
        assert not readings(bad, bad, bad, fine).hung

    def test_weighs_what_is_open_against_all_requests_of_the_rollout(self) -> None:
        state = OpenRequests.fresh()
        for _ in range(20):
            state = readings((0, 1000, 9, 9000), state=state)
        state = readings(*[(300, 1000, 9, 9000)] * 3, state=state)
        assert state.requests == 23_000
        assert state.excess > 250
        assert not state.hung
        assert readings(*[(600, 1000, 9, 9000)] * 3, state=state).hung

    @pytest.mark.parametrize("mean_time", [0.05, 1.0, 10.0])
    def test_is_not_said_of_a_good_release_however_slow_the_service(self, mean_time: float) -> None:
        rng, state = random.Random(8), OpenRequests.fresh()
        for _ in range(360):
            canary, stable = (
                max(0.0, rng.gauss(rate * mean_time, math.sqrt(rate * mean_time))) for rate in (10.0, 90.0)
            )
            state = readings((canary, 100, stable, 900), state=state)
            assert not state.hung


class TestOpenTime:
    def test_is_little_s(self) -> None:
        assert readings((0, 100, 45, 900)).open_time == pytest.approx(0.5)
        assert readings((0, 100, 45, 900), seconds=20.0).open_time == pytest.approx(1.0)

    def test_held_from_the_last_control_through_the_bake(self) -> None:
        state = readings((5, 500, 250, 500), weight=500)
        assert state.open_time == 5
        baking = readings((500, 1000, 3, 1), (500, 1000, 0, 0), state=state, weight=BAKE)
        assert baking.open_time == 5
        assert baking.excess == 0
        assert readings(*[(800, 1000, 0, 0)] * 3, state=baking, weight=BAKE).hung

    def test_held_through_a_silence_of_stable(self) -> None:
        assert readings((0, 10, 45, 900), (0, 10, 45, 0)).open_time == pytest.approx(0.5)

    def test_unknown_where_stable_was_never_asked_says_nothing(self) -> None:
        state = readings(*[(500, 100, 0, 0)] * 5)
        assert (state.open_time, state.excess, state.hung) == (None, 0, False)

    def test_is_not_negative_where_counters_were_read_in_mid_request(self) -> None:
        assert readings((0, 10, -2, 100)).open_time == 0

    @pytest.mark.parametrize(
        ("stable_open", "off"), [pytest.param(2700, False, id="30 s"), pytest.param(2701, True, id="over 30 s")]
    )
    def test_of_long_streams_turns_the_rule_off_and_says_so(self, stable_open: float, off: bool) -> None:
        state = readings(*[(5000, 100, stable_open, 900)] * 3)
        assert state.streams is off
        assert state.hung is not off
        assert (state.excess == 0) is off

    def test_of_streams_forgets_what_was_counted_before(self) -> None:
        bad, streams = (60, 100, 9, 900), (5000, 100, 9000, 900)
        assert not readings(bad, bad, streams, bad).hung


@pytest.mark.parametrize("seconds", [0.0, -10.0])
def test_a_reading_of_no_time_says_nothing(seconds: float) -> None:
    state = readings((60, 100, 9, 900))
    assert readings((60, 100, 9, 900), state=state, seconds=seconds) == state


class TestCheckpoint:
    @given(
        st.lists(
            st.tuples(st.integers(0, 900), st.integers(0, 500), st.integers(0, 900), st.integers(0, 5000)), max_size=6
        )
    )
    def test_restores_everything(self, steps: list[Step]) -> None:
        state = readings(*steps)
        assert OpenRequests.from_numbers(json.loads(json.dumps(state.numbers()))) == state

    @pytest.mark.parametrize(
        ("numbers", "complaint"),
        [
            pytest.param((0, 0, 0), "4 numbers, not 3", id="too few"),
            pytest.param((0, 0, 0, 0, 0), "4 numbers, not 5", id="too many"),
            pytest.param((math.nan, 0, 0, 0), "open time", id="no time"),
            pytest.param((-2, 0, 0, 0), "open time", id="negative time"),
            pytest.param((math.inf, 0, 0, 0), "open time", id="endless time"),
            pytest.param((0, math.nan, 0, 0), "no state", id="no count"),
            pytest.param((0, 0, -1, 0), "no state", id="negative excess"),
            pytest.param((0, 0, 0, math.inf), "no state", id="endless row"),
            pytest.param((0, 0, 0, 1.5), "no state", id="half a reading"),
        ],
    )
    def test_refuses_what_no_reading_can_have_left(self, numbers: tuple[float, ...], complaint: str) -> None:
        with pytest.raises(ValueError, match=complaint):
            OpenRequests.from_numbers(numbers)
