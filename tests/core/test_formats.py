"""Texts of manifests: what is read, what is not, and that we read back what we write."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core import formats

DURATIONS = [
    pytest.param("90s", timedelta(seconds=90), id="seconds"),
    pytest.param("5m", timedelta(minutes=5), id="minutes"),
    pytest.param("1h30m", timedelta(minutes=90), id="mixed"),
    pytest.param("250ms", timedelta(milliseconds=250), id="milliseconds are no minutes"),
    pytest.param("1h2m3s4ms", timedelta(hours=1, minutes=2, seconds=3, milliseconds=4), id="all units"),
    pytest.param("0s", timedelta(), id="nothing"),
    pytest.param("", None, id="empty"),
    pytest.param("10", None, id="no unit"),
    pytest.param("10 s", None, id="a blank"),
    pytest.param("-10s", None, id="a sign"),
    pytest.param("1.5h", None, id="a fraction"),
    pytest.param("1s1m", None, id="units out of order"),
    pytest.param("10s\n", None, id="a line end"),
    pytest.param("٣s", None, id="digits of another script"),
    pytest.param("1000000h", None, id="past what times can hold"),
    pytest.param(10, None, id="a number"),
    pytest.param(None, None, id="null"),
]


@pytest.mark.parametrize(("text", "time"), DURATIONS)
def test_durations(text: object, time: timedelta | None) -> None:
    assert formats.duration(text) == time


@pytest.mark.parametrize(
    ("text", "share"),
    [
        pytest.param("99.5%", 0.995, id="a fraction of a percent"),
        pytest.param("100%", 1.0, id="all"),
        pytest.param("0%", 0.0, id="nothing"),
        pytest.param("100.1%", None, id="more than all"),
        pytest.param("99.5", None, id="no sign"),
        pytest.param("0.1pp", None, id="points"),
        pytest.param("-1%", None, id="negative"),
        pytest.param("1e1%", None, id="an exponent"),
        pytest.param("nan%", None, id="NaN"),
        pytest.param("9.1234567%", None, id="too fine"),
        pytest.param(99.5, None, id="a number"),
    ],
)
def test_percentages(text: object, share: float | None) -> None:
    assert formats.percent(text) == share


@pytest.mark.parametrize(
    ("text", "share"),
    [
        pytest.param("0.1pp", 0.001, id="a tenth of a point"),
        pytest.param("0pp", 0.0, id="none"),
        pytest.param("1%", None, id="a percentage"),
        pytest.param("100pp", None, id="three digits"),
        pytest.param(0.1, None, id="a number"),
    ],
)
def test_percentage_points(text: object, share: float | None) -> None:
    assert formats.points(text) == share


@pytest.mark.parametrize(
    ("text", "milliunits"),
    [
        pytest.param("100m", 100, id="a tenth"),
        pytest.param("1000m", 1000, id="all"),
        pytest.param("0m", 0, id="nothing"),
        pytest.param("1001m", None, id="more than all"),
        pytest.param("0100m", None, id="a leading zero"),
        pytest.param("1", None, id="whole units"),
        pytest.param(100, None, id="a number"),
    ],
)
def test_weights(text: object, milliunits: int | None) -> None:
    assert formats.weight(text) == milliunits


@pytest.mark.parametrize(
    ("text", "time"),
    [
        pytest.param("2024-05-01T10:00:00Z", datetime(2024, 5, 1, 10, tzinfo=UTC), id="as Kubernetes writes it"),
        pytest.param("2024-05-01T12:00:00+02:00", datetime(2024, 5, 1, 10, tzinfo=UTC), id="another zone"),
        pytest.param("2024-05-01T10:00:00.25Z", datetime(2024, 5, 1, 10, 0, 0, 250_000, tzinfo=UTC), id="fractions"),
        pytest.param("2024-05-01T10:00:00", None, id="no zone"),
        pytest.param("2024-05-01", None, id="a date"),
        pytest.param("0001-01-01T00:00:00+14:00", None, id="before the first year"),
        pytest.param("yesterday", None, id="a word"),
        pytest.param(1714557600, None, id="a number"),
    ],
)
def test_instants(text: object, time: datetime | None) -> None:
    assert formats.instant(text) == time


@pytest.mark.parametrize(
    ("time", "text"),
    [
        pytest.param(timedelta(), "0s", id="nothing"),
        pytest.param(timedelta(seconds=90), "1m30s", id="units as needed"),
        pytest.param(timedelta(hours=2), "2h", id="no empty units"),
        pytest.param(timedelta(microseconds=1600), "2ms", id="rounded"),
    ],
)
def test_durations_are_written_short(time: timedelta, text: str) -> None:
    assert formats.show_duration(time) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.05, "5%"), (0.0512, "5.12%"), (0.051249, "5.12%"), (0.0, "0%"), (1.0, "100%"), (0.1, "10%")],
)
def test_shares_are_written_with_two_decimals(share: float, text: str) -> None:
    assert formats.show_share(share) == text


def test_a_bound_is_written_as_the_field_takes_it() -> None:
    assert formats.show_bound(0.500001) == "50.0001%"
    assert formats.percent(formats.show_bound(0.500001)) == 0.500001


@given(st.integers(0, 999_999 * 3600 * 1000).map(lambda millis: timedelta(milliseconds=millis)))
def test_durations_are_read_back(time: timedelta) -> None:
    assert formats.duration(formats.show_duration(time)) == time


@given(st.integers(0, 1000))
def test_weights_are_read_back(weight: int) -> None:
    assert formats.weight(formats.show_weight(weight)) == weight


@given(
    st.datetimes(
        datetime(1, 1, 2),  # noqa: DTZ001 - Hypothesis wants naive bounds
        datetime(9999, 12, 30),  # noqa: DTZ001
        timezones=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    )
)
def test_instants_are_read_back_to_the_microsecond(time: datetime) -> None:
    assert formats.instant(formats.show_instant(time)) == time


@given(st.integers(0, 10_000).map(lambda hundredths: hundredths / 10_000))
def test_shares_of_hundredths_of_a_percent_are_read_back(share: float) -> None:
    assert formats.percent(formats.show_share(share)) == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize("read", [formats.duration, formats.percent, formats.points, formats.weight, formats.instant])
@given(st.none() | st.integers() | st.floats() | st.text() | st.from_regex(r"[0-9]{1,30}(h|m|s|%|pp|ms)"))
def test_no_value_breaks_a_reader(read: Callable[[object], object], value: object) -> None:
    read(value)
