"""What becomes of a tick that raised: back off, look again at once, or stop.

Here stands the only `except Exception` of the product.
Called by `controller`, several at once; a key is never with two of them.
"""

from datetime import timedelta
from typing import Never

from canary.core.snapshot import Key
from canary.core.status import Reason
from canary.errors import Conflict, Forbidden, LeaseLost, Rejected, Unreachable
from canary.runtime.queue import DelayQueue
from canary.runtime.tick import World, tick

AGAIN = timedelta(seconds=0.5)  # the most until another look after a conflict; the watch is mostly quicker
NO_HURRY = 5.0  # seconds, the least before another try


async def work(queue: DelayQueue, world: World) -> Never:
    """Take keys and tick, for ever. Raises LeaseLost only."""
    while True:
        key = await queue.get()
        try:
            after = await tick(key, world)
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - a bug in one Canary must not stop the others
            _sort(key, error, queue, world)
        else:
            queue.done(key, timedelta() if world.ledger.accept(key) else after, world.ledger.pace(key))


def _sort(key: Key, error: Exception, queue: DelayQueue, world: World) -> None:
    """Decide by the kind of error. What was saved meanwhile is found again: the ledger knows what it grew from."""
    match error:
        case Conflict():  # no failure, and no back-off that grows: it may be a rollback that waits
            queue.done(key, AGAIN)
        case Unreachable(retry_after=after):
            world.herald.fault(key, error)
            queue.retry(key, after)
        case Forbidden(hint=hint) | Rejected(hint=hint):
            reason = Reason.FORBIDDEN if isinstance(error, Forbidden) else Reason.REJECTED
            world.ledger.refuse(key, reason, hint)  # the next tick says it in the status
            world.herald.fault(key, error)
            queue.retry(key, NO_HURRY)
        case _:  # a bug, or what nobody expects here: neither heals by itself soon
            world.herald.fault(key, error)
            queue.retry(key, NO_HURRY)
