"""From the analysed template to stable's: what promotion copies and what it leaves alone.

Pure functions on pod templates. Called by the rules and by `converge`.
"""

from collections.abc import Mapping
from typing import TypeAlias, cast

from canary.core.snapshot import Workload
from canary.core.spec import PromotionMode

Template: TypeAlias = Mapping[str, object]


def promoted(stable: Workload, analysed: Template, mode: PromotionMode) -> Template:
    """Build stable's next template.

    The analysed one under stable's own selector labels, or stable's with new images.
    """
    if mode is PromotionMode.COPY_IMAGES:
        return _with_images(stable.template, analysed)
    meta = dict(cast("Mapping[str, object]", analysed.get("metadata") or {}))
    labels = dict(cast("Mapping[str, object]", meta.get("labels") or {}))
    meta["labels"] = {**labels, **stable.selector}
    return {**analysed, "metadata": meta}


def carries(stable: Workload, analysed: Template, mode: PromotionMode) -> bool:
    """Tell whether stable's template is the promoted one already.

    Whoever promotes from outside has labels and annotations of their own, so there the pod spec alone decides.
    """
    if mode is PromotionMode.EXTERNAL:
        return stable.template.get("spec") == analysed.get("spec")
    return stable.template == promoted(stable, analysed, mode)


def _with_images(template: Template, analysed: Template) -> Template:
    spec = dict(cast("Mapping[str, object]", template.get("spec") or {}))
    theirs = cast("Mapping[str, object]", analysed.get("spec") or {})
    for kind in ("containers", "initContainers"):
        images = {c.get("name"): c.get("image") for c in _containers(theirs, kind)}
        mine = _containers(spec, kind)
        if mine:
            spec[kind] = [{**c, "image": images.get(c.get("name")) or c.get("image")} for c in mine]
    return {**template, "spec": spec}


def _containers(spec: Mapping[str, object], kind: str) -> list[Mapping[str, object]]:
    return cast("list[Mapping[str, object]]", spec.get(kind) or [])
