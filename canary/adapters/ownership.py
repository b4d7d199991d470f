"""`metadata.managedFields`: who wrote a part of an object. Used by the codecs of what others may edit, too."""

from collections.abc import Mapping

from canary.core.lenient import as_mappings, at


def editor(obj: Mapping[str, object], field: str, but: str = "") -> str:
    """Name the field manager whose `spec.<field>` is; where nobody's is known, the one that wrote last.

    `but` is left out where there is another. Times in managedFields are whole seconds: they do not tell whose of two
    writes within one came last.
    """
    entries = as_mappings(at(obj, "metadata").get("managedFields"))
    owners = [e for e in entries if f"f:{field}" in at(e, "fieldsV1", "f:spec")]
    others = [e for e in owners if e.get("manager") != but]
    last = max(others or owners or entries, key=lambda e: str(e.get("time") or ""), default=None)
    return "" if last is None else str(last.get("manager") or "")
