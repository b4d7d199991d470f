"""One tick: see, ask, decide, save, perform, tell.

Strictly forward: nothing is read after deciding, nothing is written before.
Called by `worker` with one key at a time. Errors are the worker's to sort; a tick that raises has saved first or done
nothing.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from canary.core.decide import decide, questions
from canary.core.decision import Decision
from canary.core.snapshot import Key, Snapshot
from canary.errors import Forbidden, Rejected
from canary.runtime.ask import Oracle, ask
from canary.runtime.ledger import Ledger
from canary.runtime.ports import Clock, Cluster, Herald

PATIENCE = timedelta(seconds=9)  # for the answers of one tick; longer than one query may take


@dataclass(frozen=True, slots=True)
class World:
    """Everything a tick needs. Built by `cli.process`; tests and the simulator build another."""

    cluster: Cluster
    oracle: Oracle
    herald: Herald
    clock: Clock
    ledger: Ledger


async def tick(key: Key, world: World) -> timedelta | None:
    """Run one tick; returns when to look again, None to wait for a change."""
    begun = world.clock.monotonic()
    looked = await world.cluster.snapshot(key)
    if looked is None:
        world.ledger.forget(key)
        world.herald.gone(key)
        return None
    seen = world.ledger.recall(looked, begun)
    answers = await ask(questions(seen), world.oracle, PATIENCE)
    decision = decide(seen, answers)
    try:
        await _act(seen, decision, world, begun)
    except (Forbidden, Rejected) as error:
        world.herald.refused(seen, error)
        raise
    return decision.requeue_after


async def _act(seen: Snapshot, decision: Decision, world: World, begun: float) -> None:
    """Save, then perform, then tell."""
    if decision.save:
        seen = await world.cluster.save_status(seen, decision)
    world.ledger.keep(seen, decision, begun)
    told = replace(decision, notices=tuple(notice for notice in decision.notices if not notice.deed))
    try:
        for effect in decision.effects:
            await world.cluster.perform(seen, effect)
        told = decision
    finally:
        # also where an effect failed: the status is saved, so no later tick would find the change of reason again
        world.herald.tell(seen, told, timedelta(seconds=world.clock.monotonic() - begun))
