"""The user's own queries: what is asked of Prometheus in a tick, and what becomes of the answers.

Called by `decide.questions` and `gather`. A query is evaluated once an interval while a rollout runs; an answer that is
none is remembered as that, and holds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from canary.core import ranges
from canary.core.facts import Facts
from canary.core.formats import show_duration
from canary.core.querying import VARIABLES, filled
from canary.core.questions import Answers, Numbers, RunQuery, Unanswered
from canary.core.ranges import Checked
from canary.core.snapshot import Snapshot
from canary.core.spec import CanarySpec
from canary.core.status import Rollout


def asked(seen: Snapshot) -> Iterator[RunQuery]:
    """List the queries of this tick."""
    if seen.status.rollout is None:
        return
    values = _values(seen.spec, seen.key.namespace, seen.status.rollout)
    for query in seen.spec.queries:
        yield RunQuery(query=query, promql=filled(query.promql, values))


def _values(spec: CanarySpec, namespace: str, rollout: Rollout) -> Mapping[str, str]:
    values = (
        namespace,
        spec.service,
        spec.stable.service,
        spec.canary.service,
        spec.stable.deployment,
        spec.canary.deployment,
        rollout.baseline,
        rollout.revision,
        show_duration(spec.interval),
    )
    return dict(zip(VARIABLES, values, strict=True))


def with_queries(facts: Facts, answers: Answers) -> Facts:
    """Remember what was answered, before the reading of this tick ends the interval."""
    book = facts.status.book
    if not any(isinstance(question, RunQuery) for question in answers):
        return facts
    known, waited = dict(book.queries), book.waited + facts.seen.elapsed.total_seconds()
    for question, answer in answers.items():
        match question, answer:
            case RunQuery(query=query), Numbers(numbers=numbers):
                before = known.get(query.name, Checked())
                armed = facts.rollout.step >= 0
                known[query.name] = ranges.observe(before, query, numbers, waited, armed=armed)
            case RunQuery(query=query), Unanswered(detail=detail):
                known[query.name] = Checked(trouble=detail)
            case _:
                pass
    return replace(facts, status=replace(facts.status, book=replace(book, queries=known)))
