"""The long form: `make fuzz`, or `python -m tests.fuzz --minutes 1 --seed mine answers`.

Ten minutes or a million inputs for each target, each target in a process of its own. What is found is kept in
`corpus/`, where the tests find it.
"""

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from tests.fuzz.answers import Answers
from tests.fuzz.exposition import Exposition
from tests.fuzz.hunt import Target, hunt
from tests.fuzz.objects import Objects

TARGETS: Final[dict[str, Target]] = {target.name: target for target in (Objects(), Answers(), Exposition())}


def look(name: str, seed: str, inputs: int, minutes: float) -> tuple[str, int]:
    """Hunt through one target; keep what is found, and say how it went."""
    found = hunt(TARGETS[name], seed=seed, inputs=inputs, seconds=60 * minutes)
    told = [f"{name}: {found}, {len(found.findings)} found"]
    told += [f"  {finding}\n    kept in {finding.keep()}" for finding in found.findings]
    return "\n".join(told), len(found.findings)


def main() -> int:
    """Hunt through all that are named; the exit code is 1 where anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="default: all")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--inputs", type=int, default=10**6)
    parser.add_argument("--seed", default=os.urandom(4).hex(), help="default: another one each time")
    given = parser.parse_args()
    sys.stdout.write(f"seed {given.seed}\n")
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        hunts = [pool.submit(look, name, given.seed, given.inputs, given.minutes) for name in given.targets or TARGETS]
        results = [one.result() for one in hunts]
    sys.stdout.write("\n".join(told for told, _ in results) + "\n")
    return int(any(found for _, found in results))


if __name__ == "__main__":
    sys.exit(main())
