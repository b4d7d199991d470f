"""The retry budget of one destination, as a client's proxy keeps it."""

from collections import deque

from canary.lab.routes import Budget


class RetryBudget:
    """Counts requests and retries of the last `ttl` seconds."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._requests: deque[float] = deque()
        self._retries: deque[float] = deque()

    def deposit(self, now: float) -> None:
        """Count a request of a user, whatever became of it."""
        self._requests.append(now)
        self._forget(now)

    def withdraw(self, now: float) -> bool:
        """Take one retry out of the budget if there is one left."""
        self._forget(now)
        allowed = self.budget.per_second * self.budget.ttl + self.budget.ratio * len(self._requests)
        if len(self._retries) + 1 > allowed:
            return False
        self._retries.append(now)
        return True

    def _forget(self, now: float) -> None:
        for times in (self._requests, self._retries):
            while times and times[0] <= now - self.budget.ttl:
                times.popleft()
