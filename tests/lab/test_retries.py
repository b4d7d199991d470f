from canary.lab.retries import RetryBudget
from canary.lab.routes import Budget


def spent(budget: RetryBudget, now: float) -> int:
    taken = 0
    while budget.withdraw(now):
        taken += 1
    return taken


def test_a_quiet_destination_may_retry_at_the_floor() -> None:
    assert spent(RetryBudget(Budget(ratio=0.2, per_second=10, ttl=10)), 0.0) == 100


def test_traffic_adds_its_share() -> None:
    budget = RetryBudget(Budget(ratio=0.2, per_second=1, ttl=1))
    for _ in range(50):
        budget.deposit(0.0)
    assert spent(budget, 0.5) == 1 + 10


def test_what_is_older_than_the_ttl_counts_no_more() -> None:
    budget = RetryBudget(Budget(ratio=1.0, per_second=0, ttl=2))
    budget.deposit(0.0)
    budget.deposit(1.0)
    assert spent(budget, 2.5) == 1
    assert spent(budget, 5.0) == 0
