"""Writes a soak as JSON and as `docs/soak.md`."""

from collections.abc import Iterable, Mapping

from e2e.soak.figures import Figure, Soak

HEAD = """\
# Soak

{canaries} Canaries with a full history that roll without pause for {minutes:.0f} minutes, on a real Kubernetes control
plane with a real Prometheus and the shipped controller as its own process: a release follows the other, one in five
fails 10 % of its requests. Scraped and judged every 2 s; the counters are synthesised, with the labels of real proxies
and after the live split; memory is allocated as in the image. Looked at from outside every 5 s; the first half of the
time does not count. A drift is the mean of the last quarter less that of the first. `make soak` plays it, writes this
page, and fails where a limit is broken.

Ended: {ended}.

| figure | seen | limit | why |
|---|---|---|---|
"""


def document(soak: Soak, figures: Iterable[Figure], ended: Mapping[str, int]) -> dict[str, object]:
    """Write it as JSON, with every look."""
    return {
        "canaries": soak.canaries,
        "seconds": soak.seconds,
        "ended": dict(ended),
        "figures": [figure.document() for figure in figures],
        "samples": [sample.document() for sample in soak.samples],
    }


def page(soak: Soak, figures: Iterable[Figure], ended: Mapping[str, int]) -> str:
    """Write it for people."""
    told = ", ".join(f"{number} {what.replace(': ', ' releases ')}" for what, number in sorted(ended.items()))
    head = HEAD.format(canaries=soak.canaries, minutes=soak.seconds / 60, ended=told)
    return head + "".join(map(_row, figures))


def _row(figure: Figure) -> str:
    limit = "" if figure.limit is None else f"{'at least' if figure.least else 'at most'} {figure.limit:g}"
    seen = f"{figure.value:.4g}" if figure.ok else f"**{figure.value:.4g}**"
    return f"| {figure.name} | {seen} | {limit} | {figure.why} |\n"
