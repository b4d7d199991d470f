"""What a status must not repeat of a spec: the addresses of webhooks, for many a service puts its secret there.

A rollout remembers the spec that it follows without them. Used wherever that is remembered, compared and read again;
the addresses themselves are always those of the object's spec as it stands.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from canary.core.formats import is_address
from canary.core.lenient import as_mappings, as_text, at

HIDDEN: Final = "http://hidden.invalid"
"""Stands for an address. It is one that nothing answers: a gate whose own is no longer known holds."""
QUOTED: Final = 10  # levels of a value that a problem quotes

_ADDRESS: Final = re.compile(r"((?:\w+:)?(?://)?)(?:.*@)?([^/?#]*)(.*)", re.DOTALL)
"""Scheme, host, and the rest of what should be an address and may be none."""


def without_urls(spec: Mapping[str, object]) -> Mapping[str, object]:
    """Take the addresses out."""
    return _with_webhooks(spec, lambda hook: {**hook, "url": HIDDEN} if "url" in hook else hook)


def with_urls(spec: Mapping[str, object], now: Mapping[str, object]) -> Mapping[str, object]:
    """Put the addresses that `now` has under the same names back in."""
    known = {
        as_text(hook.get("name")): as_text(hook.get("url")) for hook in as_mappings(at(now, "gates").get("webhooks"))
    }

    def found(hook: Mapping[str, object]) -> Mapping[str, object]:
        url = known.get(as_text(hook.get("name")), "")
        return {**hook, "url": url} if is_address(url) else hook

    return _with_webhooks(spec, found)


def discreet(value: object, key: str = "", levels: int = QUOTED) -> object:
    """Leave of each address in a value that a problem quotes its host; of what is nested deeper than that, nothing."""
    if isinstance(value, Mapping | list) and not levels:
        return "…"
    if isinstance(value, Mapping):
        return {name: discreet(inner, str(name), levels - 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [discreet(inner, key, levels - 1) for inner in value]
    if key != "url" or not isinstance(value, str):
        return value
    found = _ADDRESS.fullmatch(value)
    return value if found is None else f"{found[1]}{found[2]}{'/…' if len(found[3]) > 1 else found[3]}"


def _with_webhooks(
    spec: Mapping[str, object], change: Callable[[Mapping[str, object]], Mapping[str, object]]
) -> Mapping[str, object]:
    gates = at(spec, "gates")
    if not isinstance(hooks := gates.get("webhooks"), list):
        return spec
    changed = [change(hook) if isinstance(hook, Mapping) else hook for hook in hooks]
    return {**spec, "gates": {**gates, "webhooks": changed}}
