"""The one policy of trying again: only what may pass by itself, soon, seldom, and not all at the same moment.

Used by adapters around single calls. Inside a tick two attempts are the most, for the tick itself is the retry;
notices, which no tick waits for, may ask for more.
"""

from datetime import timedelta

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from canary.errors import Unreachable

SOON = timedelta(seconds=2)


def retrying(attempts: int = 2, *, longest: timedelta = SOON) -> AsyncRetrying:
    """Make a policy for one call, to be awaited as `policy(call, argument)`; the last error comes out as it is.

    It waits at most `longest`, and gives up at once where it is told to come back later than that.
    """
    limit = longest.total_seconds()
    jitter = wait_random_exponential(multiplier=limit / 10, max=limit)

    def may_pass(error: BaseException) -> bool:
        return isinstance(error, Unreachable) and _told(error) <= limit

    def pause(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        return min(limit, _told(error) + jitter(state))

    return AsyncRetrying(
        stop=stop_after_attempt(attempts), wait=pause, retry=retry_if_exception(may_pass), reraise=True
    )


def _told(error: BaseException | None) -> float:
    """Say when the other side wants to be asked again, if it said so."""
    return (error.retry_after or 0.0) if isinstance(error, Unreachable) else 0.0
