"""Plain writing: data as JSON on stdout, remarks on stderr. Tables are `render`'s, which costs an import of rich."""

import json

import click


def emit(document: object) -> None:
    """Write one JSON document to stdout."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def emit_line(document: object) -> None:
    """Write one JSON document to stdout on a line of its own, where more will follow."""
    click.echo(json.dumps(document, ensure_ascii=False))


def note(text: str) -> None:
    """Tell something on stderr."""
    click.echo(text, err=True)
