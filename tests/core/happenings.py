"""All that may happen to a Canary, and a sweep of it through all phases."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import product
from random import Random
from types import MappingProxyType

from canary.core.questions import Numbers
from canary.core.snapshot import Wiring
from canary.core.status import Phase
from tests.core.life import JUMPS, REPLIES, Life
from tests.strategies import HOOKS, IMAGES, LADDERS, a_spec

ANSWERS = tuple(Numbers(numbers=numbers) for numbers in ((), (7.0,), (7.0, 7.0), (7.0,), (1.0,)))
QUERY: dict[str, object] = {"name": "depth", "query": "max(depth)", "max": 5, "for": "10s"}
PACES: tuple[tuple[str, object], ...] = (*(("steps", ladder) for ladder in LADDERS), ("ramp", {"budget": 1000}))
HAPPENINGS: Mapping[str, Callable[[Life, int], object]] = MappingProxyType(
    {
        "look between readings": lambda life, n: life.look_between(n + 1),
        "Prometheus is down": lambda life, n: life.metrics("down", 2 * n + 1),
        "Prometheus knows nothing": lambda life, n: life.metrics("empty", 2 * n + 1),
        "Prometheus says NaN": lambda life, n: life.metrics("nan", 2 * n + 1),
        "nothing is scraped": lambda life, n: life.metrics("stale", 2 * n + 1),
        "traffic stops": lambda life, n: life.with_rate(0.0, 6 * n + 1),
        "clients do not obey the split": lambda life, n: life.unsplit(6 * n + 1),
        "some clients do not obey the split": lambda life, n: life.unsplit(4 * n + 4, 0.8),
        "the canary Deployment is gone": lambda life, n: life.hide("canary", n + 1),
        "stable's Deployment is gone": lambda life, n: life.hide("stable", n + 1),
        "canary pods are not ready": lambda life, n: setattr(life.world.canary, "sick", n),
        "stable pods are not ready": lambda life, n: setattr(life.world.stable, "sick", n),
        "stable is scaled": lambda life, n: life.world.stable.scale(n + 1),
        "stable is changed": lambda life, n: life.world.patch_stable(f"good-{8 + n % 2}"),
        "another backend is added": lambda life, n: life.world.put_split(
            {"web-stable": 800, "web-canary": 100, "other": 100}, editor="kubectl"
        ),
        "traffic is moved by hand": lambda life, n: life.move((0, 50, 500, 1000, 100)[n]),
        "the split is deleted": lambda life, _: life.world.put_split(None, editor="kubectl"),
        "the split is taken": lambda life, n: life.take_the_split(n + 1),
        "a rival is older": lambda life, n: life.wired(Wiring(rival="web-older"), n + 1),
        "a Service is missing": lambda life, n: life.wired(Wiring(missing_services=("web-canary",)), n + 1),
        "no split is served": lambda life, n: life.wired(Wiring(unsupported="no TrafficSplit"), n + 1),
        "the clock is turned": lambda life, n: setattr(
            life.world, "skew", life.world.skew + timedelta(seconds=JUMPS[n])
        ),
        "the process restarts": lambda life, n: life.restart(JUMPS[n]),
        "the process dies": lambda life, n: life.die_where_it_acts(n),
        "an effect fails": lambda life, n: life.fail_where_it_acts(n % 2),
        "a revision lands": lambda life, n: life.world.ship(f"good-{4 + n}"),
        "a revision lands in a tick": lambda life, _: life.race(lambda: life.world.ship("good-9")),
        "traffic is moved in a tick": lambda life, _: life.race(lambda: life.move(500)),
        "stable is changed in a tick": lambda life, _: life.race(lambda: life.world.patch_stable("good-7")),
        "the spec is edited in a tick": lambda life, n: life.race(lambda: life.edit(bake=f"{30 + 10 * n}s")),
        "two lead": lambda life, _: life.race(life.other_leader),
        "confirming webhooks answer": lambda life, n: life.world.hooks.update(
            dict.fromkeys(HOOKS[:3], REPLIES[min(n, 2)])
        ),
        "the veto answers": lambda life, n: life.world.hooks.update({"rollback": REPLIES[n % 3]}),
        "the query answers": lambda life, n: life.asks(QUERY, ANSWERS[n]),
        "pause": lambda life, n: life.edit(paused=n != 0),
        "abort": lambda life, _: life.order("abort"),
        "approve": lambda life, _: life.order("approve"),
        "retry": lambda life, _: life.retry(),
        "retry of what never was": lambda life, n: life.edit(retry=f"web-none-{n}"),
        "steps are edited": lambda life, n: life.edit(**{"steps": None, "ramp": None, **dict([PACES[n]])}),
        "a promise is edited": lambda life, n: life.edit_gates(successRate={"min": ("99%", "98.5%")[n % 2]}),
        "the spec is spoilt": lambda life, n: life.spoil_the_spec(n + 1),
        "the Canary is deleted": lambda life, _: life.delete(),
        "a pipeline promotes": lambda life, _: life.pipeline(),
    }
)
"""What may happen, and how much of it: 0 to 4."""


def sweep(reached: Counter[str], seed: int = 0) -> None:
    """Let everything happen in every phase, each in a life of its own; what is left open is drawn, always the same."""
    draw = Random(seed)
    phases = [phase for phase in Phase if phase is not Phase.IDLE]
    for what, phase in product(sorted(HAPPENINGS), phases):
        life = Life(a_spec(draw.randrange(60)), reached)
        bad = phase is Phase.ROLLING_BACK
        life.ship(draw.choice(("bad-1", "awful-1", "hangs-1") if bad else ("good-1", "fair-1", "slow-1")), 1)
        life.go_on_until(phase)
        for happening in (what, *draw.choices(sorted(HAPPENINGS), k=2)):
            if not life.active:
                life.ship(draw.choice(IMAGES), draw.randrange(1, 8))
            HAPPENINGS[happening](life, draw.randrange(5))
            life.calm(draw.randrange(1, 5))
        life.end()
