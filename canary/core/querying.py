"""How a query is written in a manifest: its fields, and the variables in its text. Used by `manifest` and `queries`."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from canary.core.fields import Fields, repeats
from canary.core.spec import Query

MOST_QUERIES = 16  # each is asked of Prometheus once an interval
LONGEST_QUERY = 2000
VARIABLE: Final = re.compile(r"\{\{\s*(.*?)\s*\}\}")
VARIABLES: Final = (
    "namespace",
    "service",
    "stableService",
    "canaryService",
    "stableDeployment",
    "canaryDeployment",
    "stableRevision",
    "canaryRevision",
    "interval",
)
"""What a query may name in double braces; a revision is a pod-template-hash."""


def read_queries(gates: Fields) -> tuple[Query, ...]:
    """Read the list of queries."""
    queries = tuple(_query(fields) for fields in gates.sections("queries"))
    if repeats(query.name for query in queries) or len(queries) > MOST_QUERIES:
        gates.refuse("queries", f"a list of at most {MOST_QUERIES} queries that names each once")
    return queries


def filled(promql: str, values: Mapping[str, str]) -> str:
    """Put values in the place of variables."""
    return VARIABLE.sub(lambda found: values[found[1]], promql)


def _query(fields: Fields) -> Query:
    sound = len(fields.problems)
    promql = fields.text("query", "", most=LONGEST_QUERY)
    strange = not promql.strip() or any(name not in VARIABLES for name in VARIABLE.findall(promql))
    if strange and len(fields.problems) == sound:
        known = ", ".join(VARIABLES)
        fields.refuse("query", f"a PromQL expression with nothing in double braces but {known}")
    query = Query(
        name=fields.name("name"),
        promql=promql,
        least=fields.bound("min"),
        most=fields.bound("max"),
        lasting=fields.duration("for", "30s", least=timedelta()),
    )
    if not fields.has("min") and not fields.has("max"):
        fields.refuse("", "a query with a min, a max or both")
    if query.least is not None and query.most is not None and query.least > query.most:
        fields.refuse("min", "a number of at most max")
    fields.finish()
    return query
