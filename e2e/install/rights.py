"""What an account may, as the cluster's roles say, held against what it asked for, as the audit log says."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

from canary.adapters.api import Api, Json
from canary.lab.fields import rows, text

GROUP = "/apis/rbac.authorization.k8s.io/v1"


class Right(NamedTuple):
    """One verb on one kind, by the role that gives it: in namespaces of one role all the same."""

    role: str
    group: str
    resource: str
    verb: str


@dataclass(frozen=True)
class Asked:
    """One request of the account. `role` is what allowed it, "" what none of the chart's did."""

    right: Right
    namespace: str
    allowed: bool
    code: int
    at: str
    agent: str
    uri: str


async def granted(api: Api, namespace: str, name: str) -> set[Right]:
    """Read what the roles bound to an account give it."""
    found: set[Right] = set()
    bindings = [
        *rows(await api.get(f"{GROUP}/clusterrolebindings"), "items"),
        *rows(await api.get(f"{GROUP}/rolebindings"), "items"),
    ]
    for binding in bindings:
        subjects = [(text(s, "kind"), text(s, "namespace"), text(s, "name")) for s in rows(binding, "subjects")]
        if ("ServiceAccount", namespace, name) in subjects:
            role = text(binding, "roleRef", "name")
            found |= set(_rights(await api.get(_path(binding)), role))
    return found


def _path(binding: Json) -> str:
    role = text(binding, "roleRef", "name")
    if text(binding, "roleRef", "kind") == "ClusterRole":
        return f"{GROUP}/clusterroles/{role}"
    return f"{GROUP}/namespaces/{text(binding, 'metadata', 'namespace')}/roles/{role}"


def _rights(obj: Json, role: str) -> Iterator[Right]:
    for rule in rows(obj, "rules"):
        lists = [cast("list[str]", rule[key]) for key in ("apiGroups", "resources", "verbs")]
        yield from (Right(role, group, kind, verb) for group in lists[0] for kind in lists[1] for verb in lists[2])


def asked(log: Path, namespace: str, name: str, since: int = 0) -> list[Asked]:
    """Read what an account asked for, each request once, from a position in the log."""
    account, found = f"system:serviceaccount:{namespace}:{name}", {}
    with log.open() as lines:
        lines.seek(since)
        for line in lines:
            entry = cast("Json", json.loads(line))
            if text(entry, "user", "username") == account:
                found[text(entry, "auditID")] = _request(entry)
    return list(found.values())


def _request(entry: Json) -> Asked:
    ref = cast("Json", entry.get("objectRef") or {})
    resource = "/".join(filter(None, (text(ref, "resource"), text(ref, "subresource"))))
    notes = cast("dict[str, str]", entry.get("annotations") or {})
    words = notes.get("authorization.k8s.io/reason", "").split('"')
    role = words[3] if len(words) > 3 else ""
    code = cast("Json", entry.get("responseStatus") or {}).get("code")
    return Asked(
        right=Right(role, text(ref, "apiGroup"), resource, text(entry, "verb")),
        namespace=text(ref, "namespace"),
        allowed=notes.get("authorization.k8s.io/decision") == "allow",
        code=code if isinstance(code, int) else 0,
        at=text(entry, "requestReceivedTimestamp"),
        agent=text(entry, "userAgent"),
        uri=text(entry, "requestURI"),
    )


def counted(requests: Sequence[Asked], namespace: str, since: str, until: str) -> dict[str, int]:
    """Count what one rollout cost, by verb and kind: what is about its namespace, and what is about none of them."""
    ours = [r for r in requests if since <= r.at <= until and r.namespace in (namespace, "")]
    found = Counter(f"{r.right.verb} {r.right.resource or 'schema'}" for r in ours)
    return dict(sorted(found.items()))
