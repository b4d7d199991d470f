"""Webhooks that must say yes before a step or the promotion. Called by the rules of Progressing and Baking."""

from canary.core.facts import Facts
from canary.core.formats import show_weight
from canary.core.questions import GateReply
from canary.core.ripeness import baked, ripe
from canary.core.rules import Turn, stay
from canary.core.spec import WebhookKind
from canary.core.status import Reason


def unconfirmed_step(facts: Facts) -> bool:
    """Tell whether a webhook must still agree to the next step."""
    return ripe(facts) and missing_yes(facts, step_kind(facts)) is not None


def step_kind(facts: Facts) -> WebhookKind:
    """Say which webhooks are asked before the next weight: the first one is the start."""
    return WebhookKind.CONFIRM_START if facts.rollout.step < 0 else WebhookKind.CONFIRM_STEP


def hold_step(facts: Facts) -> Turn:
    """Wait for the webhook that confirms a step."""
    return _hold(facts, step_kind(facts))


def missing_yes(facts: Facts, kind: WebhookKind) -> tuple[Reason, str] | None:
    """Find the first webhook of a kind that has not said yes."""
    replies = dict(facts.replies.get(kind, []))
    for hook in facts.spec.webhooks:
        if hook.kind is kind:
            match replies.get(hook.name):
                case GateReply(yes=True):
                    continue
                case GateReply(detail=detail):
                    return Reason.CONFIRMATION, f"webhook {hook.name!r} ({kind}) says no: {detail}"
                case None:
                    return Reason.CONFIRMATION, f"webhook {hook.name!r} ({kind}) is being asked"
                case unanswered:
                    return (
                        Reason.WEBHOOK_UNANSWERED,
                        f"webhook {hook.name!r} ({kind}) gave no answer: {unanswered.detail}",
                    )
    return None


def _hold(facts: Facts, kind: WebhookKind) -> Turn:
    if kind not in facts.replies:
        return Turn(status=facts.status)  # nobody was asked in this look, so what was said last stands
    reason, message = missing_yes(facts, kind) or (Reason.CONFIRMATION, "")
    return stay(facts, reason, f"Held at {show_weight(facts.status.weight)}: {message}.")


def unconfirmed_promotion(facts: Facts) -> bool:
    """Tell whether a webhook must still agree to the promotion."""
    return baked(facts) and missing_yes(facts, WebhookKind.CONFIRM_PROMOTION) is not None


def hold_promotion(facts: Facts) -> Turn:
    """Wait for the webhook that confirms the promotion."""
    return _hold(facts, WebhookKind.CONFIRM_PROMOTION)
