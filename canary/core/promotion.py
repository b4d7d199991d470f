"""From the analysed template to stable's: what promotion copies and what it leaves alone.

Pure functions on pod templates. Called by the rules and by `converge`.
"""

from collections.abc import Mapping
from typing import TypeAlias, cast

from canary.core.snapshot import Workload
from canary.core.spec import PromotionMode

Template: TypeAlias = Mapping[str, object]

TOOLS = "kubectl.kubernetes.io/"  # annotations that tell of a command and belong to no release: restartedAt


def release(canary: Workload | None, revision: str) -> Template | None:
    """Find the template of a revision, without the labels by which the canary's side finds its pods.

    On stable's pods they would bring the canary's Service to them. Its ReplicaSet's, never the Deployment's, which may
    have moved on.
    """
    template = None if canary is None else canary.templates.get(revision)
    if template is None or canary is None:
        return None
    meta = cast("Mapping[str, object]", template.get("metadata") or {})
    labels = {key: value for key, value in _part(template, "labels").items() if key not in canary.selector}
    return {**template, "metadata": {**meta, "labels": labels}}


def promoted(stable: Workload, analysed: Template, mode: PromotionMode) -> Template:
    """Build stable's next template.

    The analysed one under the labels by which stable's side finds its pods, or stable's with new images.
    """
    if mode is PromotionMode.COPY_IMAGES:
        return _with_images(stable.template, analysed)
    meta = dict(cast("Mapping[str, object]", analysed.get("metadata") or {}))
    labels = dict(cast("Mapping[str, object]", meta.get("labels") or {}))
    meta["labels"] = {**labels, **stable.selector}
    return {**analysed, "metadata": meta}


def carries(stable: Workload, analysed: Template, mode: PromotionMode, before: Template | None = None) -> bool:
    """Tell whether stable's template is the promoted one already.

    Whoever promotes from outside has labels and annotations of their own: there the pod spec decides, and what the
    release changed in the annotations of `before`, the canary's former template (a checksum of its configuration).
    """
    if mode is PromotionMode.EXTERNAL:
        news = _part(analysed, "annotations").items() - _part(before or analysed, "annotations").items()
        brought = {(key, value) for key, value in news if not key.startswith(TOOLS)}
        return same_pods(stable, analysed) and brought <= _part(stable.template, "annotations").items()
    return stable.template == promoted(stable, analysed, mode)


def covers(stable: Workload, analysed: Template, mode: PromotionMode) -> bool:
    """Tell whether stable's template is the promoted one but for labels and annotations that were added to it.

    An admission webhook may stamp what we write.
    """
    wanted = promoted(stable, analysed, mode)
    added = all(
        _part(wanted, kind).items() <= _part(stable.template, kind).items() for kind in ("labels", "annotations")
    )
    return added and stable.template.get("spec") == wanted.get("spec")


def same_pods(stable: Workload, analysed: Template) -> bool:
    """Tell whether stable runs the pods of the release, however they are labelled."""
    return stable.template.get("spec") == analysed.get("spec")


def _with_images(template: Template, analysed: Template) -> Template:
    spec = dict(cast("Mapping[str, object]", template.get("spec") or {}))
    theirs = cast("Mapping[str, object]", analysed.get("spec") or {})
    for kind in ("containers", "initContainers"):
        images = {c.get("name"): c.get("image") for c in _containers(theirs, kind)}
        mine = _containers(spec, kind)
        if mine:
            spec[kind] = [{**c, "image": images.get(c.get("name")) or c.get("image")} for c in mine]
    return {**template, "spec": spec}


def _part(template: Template, kind: str) -> Mapping[str, str]:
    meta = cast("Mapping[str, object]", template.get("metadata") or {})
    return cast("Mapping[str, str]", meta.get(kind) or {})


def _containers(spec: Mapping[str, object], kind: str) -> list[Mapping[str, object]]:
    return cast("list[Mapping[str, object]]", spec.get(kind) or [])
