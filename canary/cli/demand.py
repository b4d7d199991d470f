"""What each gate of a Canary saw lately, by the controller's own counting. Used by `canary forecast`."""

from collections.abc import Mapping
from datetime import timedelta

from canary.core.demand import Demand
from canary.core.gates import Gate, gates
from canary.core.history import correlations
from canary.core.questions import ReadHistory
from canary.core.snapshot import Key
from canary.core.spec import CanarySpec
from canary.runtime.readings import Readings

PATIENCE = 60.0  # seconds for the past of a large service


async def measured(
    readings: Readings, spec: CanarySpec, key: Key, window: timedelta
) -> tuple[tuple[Gate, ...], Mapping[str, Demand]]:
    """Give the gates, with what stable's past tells of each, and the demand of those that had requests lately.

    Rates are over the part of the window in which Prometheus knew the service. Raises MetricsUnreachable.
    """
    past = await readings.history(ReadHistory(spec=spec, namespace=key.namespace, window=window), PATIENCE)
    return gates(spec, past.bounds, correlations(past.demand), past.edges), past.demand
