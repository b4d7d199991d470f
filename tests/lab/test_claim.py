import json
from dataclasses import replace

import pytest

from e2e.claim import PAGE, RESULTS, Run, broken, document, section, with_section

BAD = Run(
    release="bad",
    outcome="RolledBack",
    reason="SuccessRate",
    seconds=40.0,
    whole=50.0,
    weights=((0.0, 18), (40.0, 0)),
    failed=8,
    served=160,
    requests=8800,
    rps=220.0,
)
GOOD = replace(BAD, release="good", outcome="Promoted", reason="Promoted", failed=30)


@pytest.mark.parametrize(
    ("runs", "wrong"),
    [
        pytest.param([BAD, GOOD], [], id="as claimed"),
        pytest.param([replace(BAD, outcome="Promoted"), GOOD], ["a bad release was Promoted"], id="missed"),
        pytest.param([BAD, replace(GOOD, outcome="RolledBack")], ["a good release was RolledBack"], id="false alarm"),
        pytest.param([BAD, replace(GOOD, rps=199.0)], ["only 199.0/s in a run"], id="too little traffic"),
        pytest.param([BAD, BAD, replace(BAD, failed=90), GOOD], [], id="a median"),
        pytest.param(
            [BAD, replace(BAD, failed=20), replace(BAD, failed=90), GOOD],
            ["20 failed requests, median, where fewer than 20 were claimed"],
            id="too dear",
        ),
    ],
)
def test_the_claim_says_where_it_is_broken(runs: list[Run], wrong: list[str]) -> None:
    assert broken(runs) == wrong


def test_the_table_has_the_median_the_least_and_the_most() -> None:
    found = json.loads(json.dumps(document([BAD, BAD, replace(BAD, failed=33, seconds=60.4), GOOD], past=220.0)))
    bad = [cell.strip() for cell in section(found).splitlines()[2].split("|")[1:-1]]
    assert bad[:5] == ["fails 5 %", "3 RolledBack", "40 (40 to 60)", "50 (50 to 50)", "18m (18m to 18m)"]
    assert bad[5:] == ["8 (8 to 33)", "160 (160 to 160)", "220 (220 to 220)"]


def test_the_page_shows_the_results_that_are_kept() -> None:
    page = PAGE.read_text()
    assert with_section(page, json.loads(RESULTS.read_text())) == page


def test_a_page_without_a_place_for_the_table_is_refused() -> None:
    with pytest.raises(SystemExit, match="no place"):
        with_section("nothing here", {"runs": []})
