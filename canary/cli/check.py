"""`canary check`: what is wrong with Canaries in files, all of it at once, without a cluster."""

import math
from collections.abc import Sequence
from pathlib import Path

import click

from canary.cli.checking import check as find_faults
from canary.cli.checking import is_canary, remarked
from canary.cli.documents import Document, Fault, read
from canary.cli.options import JSON, output_option
from canary.cli.output import emit
from canary.errors import clip, veiled


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@output_option
@click.pass_context
def check(ctx: click.Context, files: tuple[Path, ...], output: str) -> None:
    """Validate the Canaries in FILES (- is stdin), and hold them against what else stands there.

    Services, Deployments, TrafficSplits and ServiceProfiles in the same files are compared with what a Canary names;
    other kinds are passed over. What is valid and may still surprise is noted. Exit code 1 when anything is wrong.
    """
    documents, faults = read(files)
    if documents or not faults:
        faults += find_faults(documents, [str(file) for file in files])
    emit(as_json(documents, faults)) if output == JSON else _tell(documents, faults, len(files))
    ctx.exit(1 if faults else 0)


def as_json(documents: Sequence[Document], faults: Sequence[Fault]) -> dict[str, object]:
    """List what was checked, what is wrong with it, and what is worth a note."""
    return {
        "canaries": [
            {"file": d.file, "document": d.number, "namespace": d.namespace, "name": d.name}
            for d in documents
            if is_canary(d)
        ],
        "problems": [
            {
                "file": fault.file,
                "document": fault.document,
                "name": fault.name,
                "field": fault.problem.field,
                "value": _plain(fault.problem.value),
                "allowed": fault.problem.allowed,
            }
            for fault in faults
        ],
        "notes": [
            {"file": document.file, "document": document.number, "name": document.name, "note": remark}
            for document, remark in remarked(documents)
        ],
    }


def _plain(value: object) -> object:
    """Keep what JSON can say; YAML knows dates and infinity, too."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, str):
        return veiled(value)
    return value if value is None or isinstance(value, int | float | bool) else clip(veiled(repr(value)))


def _tell(documents: Sequence[Document], faults: Sequence[Fault], files: int) -> None:
    for fault in faults:
        where = f"{fault.file}, document {fault.document}" if fault.document else fault.file
        name = f", Canary {fault.name}" if fault.name else ""
        click.echo(f"{where}{name}: {fault.words}")
    for document, remark in remarked(documents):
        click.echo(f"{document.file}, document {document.number}, Canary {document.name}: note: {remark}")
    count = sum(map(is_canary, documents))
    found = f"{len(faults)} problem{'' if len(faults) == 1 else 's'}" if faults else "no problems"
    click.echo(f"{count} Canar{'y' if count == 1 else 'ies'} in {files} file{'' if files == 1 else 's'}: {found}")
