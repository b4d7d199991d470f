"""Which webhooks a tick asks, and what they are told. Called by `decide.questions`.

A veto is asked for in every interval; a confirmation only once everything else is ripe, as far as the last tick knew,
so that nobody is asked to confirm what may never come.
"""

import json
from collections.abc import Iterator
from datetime import timedelta

from canary.core.facts import Facts
from canary.core.history import armed_gates
from canary.core.judgement import judge
from canary.core.questions import CallGate
from canary.core.ranges import unsettled
from canary.core.ripeness import convincing
from canary.core.snapshot import Snapshot
from canary.core.spec import Approval, Inconclusive, Webhook, WebhookKind
from canary.core.status import Phase, Rollout


def gate_calls(seen: Snapshot) -> Iterator[CallGate]:
    """List the calls of this tick."""
    rollout = seen.status.rollout
    if rollout is None or not seen.spec.webhooks:
        return
    wanted = {WebhookKind.ROLLBACK, *_confirmations(seen, rollout)}
    for hook in seen.spec.webhooks:
        if hook.kind in wanted and seen.status.phase in (Phase.PROGRESSING, Phase.BAKING, Phase.PROMOTING):
            yield CallGate(webhook=hook, body=_body(seen, rollout, hook))


def _confirmations(seen: Snapshot, rollout: Rollout) -> Iterator[WebhookKind]:
    if seen.status.phase is Phase.PROGRESSING and rollout.step < 0:
        yield WebhookKind.CONFIRM_START
    elif seen.status.phase is Phase.PROGRESSING and _about_to_step(seen, rollout):
        yield WebhookKind.CONFIRM_STEP
    elif seen.status.phase is Phase.BAKING and _about_to_be_promoted(seen, rollout):
        yield WebhookKind.CONFIRM_PROMOTION


def _about_to_step(seen: Snapshot, rollout: Rollout) -> bool:
    book = seen.status.book
    found = armed_gates(seen.spec, seen.status)
    facts = Facts(seen=seen, status=seen.status, counters=None, gates=found, judgement=judge(book, found, seen.spec))
    dwelt = seen.spec.ramp is not None or rollout.dwelt + seen.elapsed >= seen.spec.dwell
    return (dwelt and convincing(facts) and _in_range(seen)) or _about_to_go_on(seen, rollout, timedelta())


def _about_to_be_promoted(seen: Snapshot, rollout: Rollout) -> bool:
    approved = seen.spec.approval is Approval.AUTOMATIC or seen.spec.approve == rollout.id
    baked = rollout.baked + seen.spec.interval >= seen.spec.bake
    return approved and ((baked and _in_range(seen)) or _about_to_go_on(seen, rollout, seen.spec.bake))


def _in_range(seen: Snapshot) -> bool:
    return unsettled(seen.spec.queries, seen.status.book.queries) is None


def _about_to_go_on(seen: Snapshot, rollout: Rollout, extra: timedelta) -> bool:
    """Tell whether the deadline lets it go on without the evidence, which still needs everybody's yes."""
    overdue = rollout.spent + seen.elapsed >= seen.spec.step_timeout + extra
    return overdue and seen.spec.on_inconclusive is Inconclusive.PROMOTE


def _body(seen: Snapshot, rollout: Rollout, hook: Webhook) -> str:
    told = {
        "canary": seen.key.name,
        "namespace": seen.key.namespace,
        "rollout": rollout.id,
        "revision": rollout.revision,
        "phase": seen.status.phase,
        "weight": seen.status.weight,
        "webhook": hook.name,
        "type": hook.kind,
    }
    return json.dumps(told, sort_keys=True)
