"""One Event, two spellings: core/v1 as it is stored, and events.k8s.io/v1."""

from canary.lab.apiserver.tree import Object

_SPELLINGS = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_BACK = {new: old for old, new in _SPELLINGS.items()}


def as_regarding(stored: Object) -> Object:
    """Show a stored Event as events.k8s.io/v1."""
    shown = {_SPELLINGS.get(name, name): value for name, value in stored.items()}
    return shown | {"apiVersion": "events.k8s.io/v1"}


def as_involved(sent: Object) -> Object:
    """Turn an Event of events.k8s.io/v1 into the stored spelling."""
    kept = {_BACK.get(name, name): value for name, value in sent.items()}
    return kept | {"apiVersion": "v1"}
