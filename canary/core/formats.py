"""How times, shares and weights are written in manifests, and how we write them back.

Called by `manifest` and by everything that words a message. Parsers return None for text they do not accept; whoever
asked knows the field's name and says what is allowed.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from canary.core.spec import FULL, Weight

# The CRD's patterns are these. Six digits keep every duration far below what `timedelta` and `datetime` can hold.
DURATION: Final = re.compile(r"([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?([0-9]{1,6}ms)?")
PERCENT: Final = re.compile(r"([0-9]{1,3}(\.[0-9]{1,6})?)%")
POINTS: Final = re.compile(r"([0-9]{1,2}(\.[0-9]{1,6})?)pp")
URL: Final = re.compile(r"https?://[^\s/?#]+([/?#]\S*)?")
WEIGHT: Final = re.compile(r"(0|[1-9][0-9]{0,3})m")


def duration(text: object) -> timedelta | None:
    """Read `90s`, `5m`, `1h30m`, `250ms`: Go's notation without fractions."""
    found = DURATION.fullmatch(text) if isinstance(text, str) and text else None
    if found is None:
        return None
    hours, minutes, seconds, millis = (int((part or "0").rstrip("hms")) for part in found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds, milliseconds=millis)


def percent(text: object) -> float | None:
    """Read `99.5%` as 0.995."""
    found = PERCENT.fullmatch(text) if isinstance(text, str) else None
    return None if found is None or float(found[1]) > 100 else float(found[1]) / 100  # noqa: PLR2004


def points(text: object) -> float | None:
    """Read percentage points, `0.1pp`, as 0.001."""
    found = POINTS.fullmatch(text) if isinstance(text, str) else None
    return None if found is None else float(found[1]) / 100


def weight(text: object) -> Weight | None:
    """Read `100m` as 100 thousandths."""
    found = WEIGHT.fullmatch(text) if isinstance(text, str) else None
    return None if found is None or int(found[1]) > FULL else int(found[1])


def is_address(text: str) -> bool:
    """Tell whether a text is an http:// or https:// address with a host."""
    try:
        parts = urlsplit(text)
        return bool(URL.fullmatch(text)) and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def instant(text: object) -> datetime | None:
    """Read an RFC 3339 time, as Kubernetes writes it; one without a zone could mean anything."""
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
        return None if time is None or time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def show_instant(time: datetime) -> str:
    """Write RFC 3339 with microseconds, which `instant` reads back unchanged."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def show_duration(time: timedelta) -> str:
    """Write the shortest text that `duration` reads back, at millisecond resolution."""
    millis = round(time.total_seconds() * 1000)
    if millis == 0:
        return "0s"
    units = ((3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms"))
    text = ""
    for size, unit in units:
        count, millis = divmod(millis, size)
        text += f"{count}{unit}" if count else ""
    return text


def show_weight(milliunits: Weight) -> str:
    """Write 100 as `100m`."""
    return f"{milliunits}m"


def show_share(share: float) -> str:
    """Write a fraction as percent with at most two decimals, e.g. `5.12%`."""
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + "%"


def show_bound(share: float) -> str:
    """Write a bound of a percentage as the field would have it, e.g. `50.0001%`."""
    return f"{100 * share:.6g}%"
