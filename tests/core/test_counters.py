"""Every request is counted once: rule by rule, then in a world of proxies that restart, forget, are born and die."""

import math
from dataclasses import dataclass, field
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.core.counters import EARLY, IDLE, MEMORY, Counters, Increment, Sample, Series, advance

PROXY = "10.42.0.7:4191"


def series(*samples: Sample, name: str = "response_total", instance: str = PROXY, **labels: str) -> Series:
    return Series({"__name__": name, "instance": instance, **labels}, samples)


def steady(*times: float) -> Series:
    """A series beside the one in question: it shows that its target goes on."""
    return series(*((at, 1000.0 + at) for at in times), kind="steady")


def read(
    *readings: tuple[float, *tuple[Series, ...]],
    start: Counters | None = None,
    born: dict[str, float] | None = None,
) -> tuple[Counters, list[Increment]]:
    """Take (time, series, ...) readings one after the other; give the counters and the last one's increments."""
    counters, increments = start or Counters.fresh(), list[Increment]()
    for at, *offered in readings:
        counters, increments = advance(counters, offered, at=at, born=born or {})
    return counters, increments


def counted(
    *readings: tuple[float, *tuple[Series, ...]],
    start: Counters | None = None,
    born: dict[str, float] | None = None,
) -> float:
    """Give what the last of several readings counts in all."""
    return sum(increment.value for increment in read(*readings, start=start, born=born)[1])


class TestWalking:
    @pytest.mark.parametrize(
        ("samples", "expected"),
        [
            pytest.param([(20, 130.0)], 30, id="the difference to the sample before"),
            pytest.param([(20, 130.0), (30, 150.0)], 50, id="over several samples"),
            pytest.param([(0, 90.0), (10, 100.0)], 0, id="samples that were used"),
            pytest.param([(5, 95.0)], 0, id="a late sample"),
            pytest.param([(5, 95.0), (15, 110.0)], 10, id="a second Prometheus, half an interval off"),
            pytest.param([(20, 5.0)], 5, id="a reset: from zero"),
            pytest.param([(20, 120.0), (30, 4.0), (40, 7.0)], 27, id="a reset between two samples of one window"),
            pytest.param([(20, 1.0), (30, 3.0), (40, 2.0)], 5, id="two resets"),
            pytest.param([(20, 100.0), (30, 100.0)], 0, id="silence"),
            pytest.param([(20, math.nan), (30, 110.0)], 10, id="a stale marker"),
            pytest.param([(20, math.inf), (30, -1.0), (40, 110.0)], 10, id="what cannot be a count"),
            pytest.param([(20, 1e308), (30, 2.0**53), (40, 110.0)], 10, id="more than anyone counts"),
        ],
    )
    def test_counts_each_request_once(self, samples: list[Sample], expected: float) -> None:
        assert counted((10, series((10, 100.0))), (40, series(*samples))) == expected

    def test_takes_another_clock_for_no_reset(self) -> None:
        """B's clock is ahead: its sample looks newer than A's last one but is older, and smaller."""
        start, _ = read((17.5, series((7.2, 80.0), (17.2, 171.0))))
        behind = (18.0, series((7.9, 75.0), (17.9, 168.0)))
        assert counted(behind, start=start) == 0
        assert counted(behind, (28.0, series((7.9, 75.0), (17.9, 168.0), (27.9, 268.0))), start=start) == 97

    def test_tells_what_stands(self) -> None:
        _, (increment,) = read((10, series((10, 100.0))), (25, series((10, 100.0), (20, 130.0), (24, math.nan))))
        assert increment == Increment(labels=series().labels, value=30.0, total=130.0)

    @pytest.mark.parametrize(
        ("le", "spelt"),
        [
            pytest.param("300", "300.0", id="as Prometheus 2 has it"),
            pytest.param("300.0", "300.0", id="as Prometheus 3 has it"),
            pytest.param("+Inf", "+Inf", id="the last bucket"),
            pytest.param("web", "web", id="no bound at all"),
            pytest.param("NaN", "NaN", id="not a number"),
            pytest.param("ü" * 10_000, "ü" * 10_000, id="a long one"),
        ],
    )
    def test_spells_the_bound_of_a_bucket_in_one_way(self, le: str, spelt: str) -> None:
        labels = {**series().labels, "le": le}
        _, (increment,) = read((10, Series(labels, ((10, 1.0),))))
        assert increment.labels["le"] == spelt

    def test_tells_nothing_of_a_series_without_a_number(self) -> None:
        counters, increments = read((10, series((10, math.nan))), (20, series()))
        assert increments == []
        assert counters.newest is None


class TestFirstSight:
    def test_of_everything_is_the_baseline(self) -> None:
        assert counted((10, series((10, 5000.0)))) == 0

    def test_counts_what_comes_after_the_first_sample_of_the_window(self) -> None:
        assert counted((10, series((0, 5000.0), (10, 5007.0)))) == 7

    @pytest.mark.parametrize(
        ("labels", "expected"),
        [
            pytest.param({}, 4, id="a target that was scraped without it"),
            pytest.param({"instance": "10.42.0.8:4191"}, 0, id="another target"),
            pytest.param({"name": "request_total"}, 0, id="another family, perhaps not asked for before"),
        ],
    )
    def test_counts_from_zero_on(self, labels: dict[str, str], expected: float) -> None:
        first = (10, steady(0, 10), series((10, 1.0), kind="steady", name="request_total", instance="other"))
        assert counted(first, (20, steady(10, 20), series((20, 4.0), **labels))) - 10 == expected

    def test_counts_nothing_of_targets_that_cannot_be_told_apart(self) -> None:
        beside = [series((at, 1.0), kind="steady", instance="") for at in (10, 20)]
        assert counted((10, beside[0]), (20, beside[1], series((20, 4.0), instance=""))) == 0

    @pytest.mark.parametrize(
        ("first", "expected"),
        [
            pytest.param(35, 0, id="another Prometheus still shows what was gone at our last scrape"),
            pytest.param(50, 9, id="what came after it"),
        ],
    )
    @pytest.mark.parametrize("turned", [False, True])
    def test_is_judged_by_the_newest_scrapes_of_its_target(self, first: float, expected: float, turned: bool) -> None:
        ended = series((20, 1.0), (30, 1.0), kind="ended")
        start, _ = read((40, ended, steady(20, 30, 40)))
        beside = [ended, steady(40, 50)]
        one, other = reversed(beside) if turned else beside
        assert counted((50, one, other, series((first, 9.0))), start=start) == expected + 10

    @pytest.mark.parametrize(
        ("label", "created", "expected"),
        [
            pytest.param("pod", 101.0, 9, id="its pod was born since the first reading"),
            pytest.param("dst_pod", 101.0, 9, id="the pod it talks to was"),
            pytest.param("pod", 100.0 - EARLY + 1, 9, id="just before: rollouts begin with their pods"),
            pytest.param("pod", 100.0 - EARLY, 0, id="long before"),
            pytest.param("deployment", 101.0, 0, id="no pod"),
        ],
    )
    def test_counts_from_zero_for_pods_of_this_rollout(self, label: str, created: float, expected: float) -> None:
        new = series((210, 9.0), instance="new", **{label: "x-1"})
        assert counted((100, steady(100)), (200, steady(190)), (210, new), born={"x-1": created}) == expected

    def test_is_not_repeated_for_a_pod_forgotten_since(self) -> None:
        pod = {"instance": "new", "pod": "x-1"}
        late = 210 + MEMORY + 10
        readings = [
            (100, steady(100)),
            (210, series((210, 9.0), **pod)),
            *[(210.0 + k * 60, steady(210.0 + k * 60)) for k in range(1, int(MEMORY // 60) + 2)],
            (late + 60, series((late + 60, 12.0), **pod)),
        ]
        assert counted(*readings, born={"x-1": 150.0}) == 0


class TestVanishing:
    gone = ((60, steady(40, 50, 60)), (70, steady(50, 60, 70)))

    @pytest.mark.parametrize("returned", [2.0, 100.0, 130.0], ids=["fewer", "as many", "more than before"])
    def test_where_the_target_goes_on_means_from_zero(self, returned: float) -> None:
        start, _ = read((10, series((10, 100.0)), steady(10)), *self.gone)
        assert counted((80, steady(60, 70, 80), series((80, returned))), start=start) == returned + 10

    def test_where_the_target_goes_on_is_not_undone_by_a_late_sample(self) -> None:
        """Another Prometheus scraped it once more, just before it was dropped."""
        start, _ = read((10, series((10, 100.0)), steady(10)), (36, steady(20, 30)))
        assert counted((37, series((14, 100.0)), steady(24, 34)), start=start) == 4
        assert counted((37, series((14, 100.0)), steady(24, 34)), (50, steady(40)), start=start) == 6

    def test_again_and_again_is_from_zero_again(self) -> None:
        start, _ = read((10, series((10, 100.0)), steady(10)), *self.gone, (80, steady(80), series((80, 2.0))))
        assert counted((110, steady(100, 110)), (120, steady(120), series((120, 5.0))), start=start) == 5 + 10

    def test_with_its_target_waits_for_it(self) -> None:
        start, _ = read((10, series((10, 100.0), instance="b"), steady(10)), (60, steady(60)))
        assert counted((70, series((70, 130.0), instance="b"), steady(70)), start=start) == 40

    def test_beside_another_pod_under_the_same_instance_waits_for_its_own(self) -> None:
        start, _ = read((10, series((10, 100.0), pod="b"), steady(10)), (60, steady(60)))
        assert counted((70, series((70, 130.0), pod="b"), steady(70)), start=start) == 40

    def test_for_as_long_as_a_proxy_keeps_idle_series_means_from_zero(self) -> None:
        """Nothing beside it shows that the proxy was scraped, but Prometheus answered all the time."""
        lone = {"instance": "b"}
        away = [(10 + k * 10, steady(10 + k * 10)) for k in range(1, int(IDLE // 10) + 2)]
        start, _ = read((10, series((10, 1.0), **lone), steady(10)), *away)
        end = away[-1][0] + 10
        assert counted((end, series((end, 1.0), **lone)), start=start) == 1
        early, _ = read((10, series((10, 1.0), **lone), steady(10)), *away[:-2])
        assert counted((end, series((end, 3.0), **lone)), start=early) == 2

    def test_for_a_moment_is_no_end(self) -> None:
        times = [10 + k * 10 for k in range(int(IDLE // 10) + 20)]
        present = [(at, series((at, 100.0), instance="b"), steady(at)) for at in times]
        back = times[-1] + 60
        start, _ = read(*present, (back - 20, steady(back - 20)))
        assert counted((back, series((back, 130.0), instance="b")), start=start) == 30

    def test_from_the_answer_of_a_prometheus_that_is_behind_is_no_end(self) -> None:
        start, _ = read((20, steady(10, 20), series((20, 100.0))), (21, steady(4, 14)))
        assert counted((30, steady(30), series((30, 105.0))), start=start) == 10 + 5

    def test_in_an_outage_is_none(self) -> None:
        """After the outage Prometheus finds its targets again one by one: what is not there yet was not dropped."""
        start, _ = read((10, series((10, 100.0), instance="b"), steady(10)), (10 + IDLE + 100, steady(10 + IDLE + 90)))
        back = 10 + IDLE + 110
        assert counted((back, series((back, 130.0), instance="b")), start=start) == 30

    def test_for_an_hour_is_forgotten(self) -> None:
        times = range(60, int(MEMORY) + 180, 60)
        counters, _ = read((10, series((10, 100.0)), series((10, 7.0), instance="b"), steady(10)))
        assert len(counters.last) == 3
        counters, _ = read(*((at, steady(at - 10, at)) for at in times), start=counters)
        assert len(counters.last) == 1
        assert counters.newest == times[-1]


class TestRelabelling:
    """Somebody labels a pod: Prometheus gives all its series a new name, in the middle of their lives."""

    old = series((10, 5000.0), (20, 5010.0), tier="a"), series((10, 70.0), (20, 71.0), tier="a", kind="failure")

    def test_counts_nothing_twice(self) -> None:
        new = series((33, 5025.0), tier="b"), series((33, 72.0), tier="b", kind="failure")
        start, _ = read((20, *self.old))
        assert counted((35, *self.old, *new), start=start) == 0
        later = series((33, 5025.0), (43, 5026.0), tier="b"), series((33, 72.0), (43, 75.0), tier="b", kind="failure")
        assert counted((35, *self.old, *new), (45, *self.old, *later), start=start) == 4
        born = series((53, 6.0), tier="b", kind="new"), series((43, 5026.0), (53, 5026.0), tier="b")
        assert counted((35, *self.old, *new), (45, *later), (55, *born), start=start) == 6

    def test_nor_when_it_is_undone(self) -> None:
        new = [
            series(*((float(at), 5000.0 + at) for at in range(at - 20, at + 1, 10)), tier="b") for at in (50, 60, 70)
        ]
        start, _ = read((20, *self.old), *((at, s) for at, s in zip((50, 60, 70), new, strict=True)))
        back = series((85, 5090.0), tier="a"), series((85, 80.0), tier="a", kind="failure")
        assert counted((86, *back, new[-1]), start=start) == 0

    def test_of_a_young_pod_is_no_second_birth(self) -> None:
        young = {"pod": "x-1"}
        start, _ = read((100, steady(100)), (110, series((110, 9.0), instance="n", **young)), born={"x-1": 101.0})
        renamed = series((125, 12.0), instance="n", tier="b", **young)
        assert counted((126, renamed), start=start, born={"x-1": 101.0}) == 0


class TestSpelling:
    def test_of_le_may_change_in_mid_rollout(self) -> None:
        """Prometheus 2 is upgraded to 3: for a while both spellings are in the window."""
        two, three = series((10, 100.0), (20, 110.0), le="300"), series((30, 125.0), le="300.0")
        start, _ = read((20, series((10, 100.0), le="300")))
        for offered in ((two, three), (three, two)):
            _, increments = read((30, *offered), start=start)
            assert [(i.value, i.total, i.labels["le"]) for i in increments] == [(25, 125, "300.0")]

    def test_of_le_may_change_together_with_a_reset(self) -> None:
        start, _ = read((10, series((10, 100.0), le="300")))
        two, three = series((20, 110.0), le="300"), series((30, 5.0), le="300.0")
        assert counted((30, two, three), start=start) == counted((30, three, two), start=start) == 15

    @pytest.mark.parametrize(
        ("spelt", "meant"), [("+Inf", "+Inf"), ("0.5", "0.5"), ("1e+06", "1000000.0"), ("50000", "50000.0")]
    )
    def test_of_le_is_one(self, spelt: str, meant: str) -> None:
        _, (increment,) = read((10, series((10, 1.0), le=spelt)))
        assert increment.labels["le"] == meant

    def test_of_labels_may_come_in_any_order(self) -> None:
        one = Series({"__name__": "a", "instance": "i", "x": "1"}, ((10, 1.0),))
        other = Series({"x": "1", "instance": "i", "__name__": "a"}, ((20, 4.0),))
        assert counted((10, one), (20, other)) == 3


@dataclass(eq=False)
class Life:
    """One life of a series: from zero until the process, the proxy's cache or its name ends."""

    value: int
    changed: float = 0.0
    renamed: bool = False
    base: float | None = None
    top: float = 0.0


@dataclass(eq=False)
class Process:
    """A proxy. `read` says until when it was read under each of its labels."""

    instance: str
    created: float
    lives: dict[str, Life] = field(default_factory=dict)
    label: int = 0
    read: dict[int, float] = field(default_factory=dict)
    dead: bool = False


Key: TypeAlias = tuple[str, str, int]
Shown: TypeAlias = tuple[float, int, Process, Life]
Action: TypeAlias = tuple[str, *tuple[object, ...]]
Story: TypeAlias = list[tuple[list[Action], int | None, int | None]]


class World:
    """An exact world: it knows each life of each series, and what of it a Prometheus could have shown.

    Every process has one series that is always there, as a proxy that is scraped has. `unclear` becomes true where a
    life followed another one unseen and with a greater value, which nobody can see in the numbers.
    """

    KINDS = ("always", "success", "failure")
    WINDOW = 25.0

    def __init__(self, replicas: int) -> None:
        self.now = 1000.0
        self.stores: list[dict[tuple[str, str, int, str], list[Shown]]] = [{} for _ in range(replicas)]
        self.spelling = "300"
        self.processes = [Process(f"old-{i}", 0.0, {k: Life(1000 + i) for k in self.KINDS}) for i in range(2)]
        self.counters, self.counted = Counters.fresh(), 0.0
        self.used: dict[Key, float] = {}
        self.last: dict[Key, Life] = {}
        self.missed: set[Key] = set()
        self.lives: list[Life] = []
        self.unclear = self.restarted = False

    def step(self, actions: list[Action], reader: int | None, broken: int | None) -> None:
        """Let ten seconds pass: what happens, then a scrape by each Prometheus that works, then perhaps a reading."""
        for name, *arguments in actions:
            getattr(self, name)(*arguments)
        for replica, store in enumerate(self.stores):
            if replica != broken:
                self.scrape(store, self.now + 3 + 5 * replica)
        self.now += 10
        if reader is not None:
            self.read(self.stores[reader % len(self.stores)])

    def process(self, index: int) -> Process:
        return self.processes[index % len(self.processes)]

    def requests(self, index: int, kind: str, number: int) -> None:
        process = self.process(index)
        if not process.dead:
            life = process.lives.setdefault(kind, Life(0))
            life.value, life.changed = life.value + number, self.now

    def restart(self, index: int) -> None:
        self.restarted = True
        self.process(index).lives = {"always": Life(0)}

    def drop(self, index: int, kind: str) -> None:
        """Forget an idle series: idle for longer than a window, so that every Prometheus has its last value."""
        lives = self.process(index).lives
        if kind in lives and self.now - lives[kind].changed > self.WINDOW:
            del lives[kind]

    def birth(self) -> None:
        self.processes.append(Process(f"new-{len(self.processes)}", self.now, {"always": Life(0)}))

    def death(self, index: int) -> None:
        self.process(index).dead = True
        self.restarted = True

    def relabel(self, index: int) -> None:
        process = self.process(index)
        process.label += 1
        seen = bool(process.read)
        process.lives = {kind: Life(life.value, life.changed, renamed=seen) for kind, life in process.lives.items()}

    def upgrade(self) -> None:
        self.spelling = "300.0"

    def scrape(self, store: dict[tuple[str, str, int, str], list[Shown]], at: float) -> None:
        for process in self.processes:
            for kind, life in process.lives.items():
                if not process.dead:
                    name = (process.instance, kind, process.label, self.spelling)
                    store.setdefault(name, []).append((at, life.value, process, life))

    def read(self, store: dict[tuple[str, str, int, str], list[Shown]]) -> None:
        offered: list[Series] = []
        shown: dict[Key, list[Shown]] = {}
        for (instance, kind, label, le), samples in store.items():
            inside = [s for s in samples if self.now - self.WINDOW < s[0] <= self.now]
            if inside:
                values = ((at, float(value)) for at, value, *_ in inside)
                offered.append(series(*values, instance=instance, pod=instance, kind=kind, le=le, tier=str(label)))
                shown.setdefault((instance, kind, label), []).extend(inside)
        born = {p.instance: p.created for p in self.processes if p.created > 0}
        self.counters, increments = advance(self.counters, offered, at=self.now, born=born)
        self.counted += sum(i.value for i in increments)
        self.account(shown)

    def account(self, shown: dict[Key, list[Shown]]) -> None:
        """Note what of each life was shown, and from which value on it counts."""
        read: list[tuple[Process, int, float]] = []
        for key, samples in shown.items():
            for at, value, process, life in sorted(samples, key=lambda s: s[0]):
                if at > self.used.get(key, 0.0):
                    self.used[key] = at
                    self.show(key, (at, float(value)), process, life)
                    life.top = max(life.top, float(value))
                    read.append((process, key[-1], at))
        for process, label, at in read:
            process.read[label] = max(at, process.read.get(label, 0.0))
        present = {key[0] for key in shown}
        self.missed |= {key for key in self.used if key not in shown and key[0] in present}
        self.missed -= set(shown)

    def show(self, key: Key, sample: Sample, process: Process, life: Life) -> None:
        at, value = sample
        if life.base is not None:
            return
        before = self.last.get(key)
        young = not process.read and process.created > (self.counters.begun or 0.0) - EARLY
        known = before is not None or process.read.get(key[-1], at) < at or young
        life.base = 0.0 if known and not life.renamed else value
        if before is not None and key not in self.missed and value >= before.top:
            self.unclear = True
        self.lives.append(life)
        self.last[key] = life

    @property
    def truth(self) -> float:
        return sum(life.top - (life.base or 0.0) for life in self.lives)


index = st.integers(0, 3)
traffic = st.tuples(st.just("requests"), index, st.sampled_from(World.KINDS), st.integers(1, 40))
events = st.one_of(
    traffic,
    traffic,
    st.tuples(st.just("restart"), index),
    st.tuples(st.just("drop"), index, st.sampled_from(World.KINDS[1:])),
    st.tuples(st.just("birth")),
    st.tuples(st.just("death"), index),
    st.tuples(st.just("relabel"), index),
    st.tuples(st.just("upgrade")),
)
steps = st.lists(
    st.tuples(
        st.lists(events, max_size=4), st.sampled_from([0, 0, 0, 1, 1, None]), st.sampled_from([None, None, 0, 1])
    ),
    min_size=1,
    max_size=25,
)


@pytest.mark.usefixtures("untraced")
@settings(max_examples=300)
@given(steps)
def test_in_a_world_with_one_prometheus_nothing_is_lost_or_counted_twice(story: Story) -> None:
    world = World(replicas=1)
    for actions, reader, broken in story:
        world.step(actions, reader, broken)
    assert world.counted <= world.truth
    assert world.unclear or world.counted == world.truth


@pytest.mark.usefixtures("untraced")
@settings(max_examples=300)
@given(steps)
def test_in_a_world_with_two_behind_one_address_neither(story: Story) -> None:
    world = World(replicas=2)
    for actions, reader, broken in story:
        world.step(actions, reader, broken)
    assert world.counted <= world.truth
    assert world.unclear or world.restarted or world.counted == world.truth
