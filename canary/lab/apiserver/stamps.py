"""Generated values of API objects: times, uids, random name suffixes, template hashes."""

import hashlib
import json
import random
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

_SAFE = "bcdfghjklmnpqrstvwxz2456789"  # as upstream: no vowels, so that no words appear


def time_text(after: timedelta = timedelta(0)) -> str:
    """Return the present time, to the second, in the API's format."""
    return (datetime.now(UTC) + after).strftime("%Y-%m-%dT%H:%M:%SZ")


def parsed_time(text: str) -> datetime | None:
    """Parse a time of the API; None when it is none."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def new_uid() -> str:
    """Return a fresh uid."""
    return str(uuid.uuid4())


def random_suffix(length: int = 5) -> str:
    """Return what the API server appends to `generateName`."""
    return "".join(random.choices(_SAFE, k=length))


def template_hash(template: Mapping[str, object]) -> str:
    """Hash a pod template: the same template gives the same text in every process."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(_SAFE[byte % len(_SAFE)] for byte in digest[:10])
