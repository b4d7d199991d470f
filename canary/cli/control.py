"""`canary pause`, `resume`, `abort`, `retry` and `approve`: one order each, by a patch of the Canary's spec."""

import asyncio
from collections.abc import Callable

import click

from canary.cli import controls
from canary.cli.controls import Order
from canary.cli.looks import Look
from canary.cli.options import JSON, Command, Target, cluster_options, output_option
from canary.cli.output import emit

Decide = Callable[[Look, str], Order]


def _order(decide: Decide, help_text: str) -> click.Command:
    @click.command(name=decide.__name__, help=help_text)
    @click.argument("name")
    @_rollout_option
    @cluster_options
    @output_option
    def command(name: str, rollout: str, target: Target, output: str) -> None:
        look, order = asyncio.run(_give(target, name, rollout, decide))
        if output == JSON:
            emit(
                {
                    "canary": look.key.name,
                    "namespace": look.key.namespace,
                    "order": decide.__name__,
                    "rollout": order.rollout or None,
                    "changed": bool(order.fields),
                    "message": order.message,
                }
            )
        else:
            click.echo(f"{look.key.name}: {order.message}")

    return command


def _rollout_option(command: Command) -> Command:
    return click.option(
        "--rollout", metavar="ID", default="", help="The rollout that is meant; refused if another runs."
    )(command)


async def _give(target: Target, name: str, rollout: str, decide: Decide) -> tuple[Look, Order]:
    from canary.cli.cluster import connected

    async with connected(target) as cluster:
        look = await cluster.look(name, deployment=decide is controls.retry)
        order = decide(look, rollout)
        if order.fields:
            await cluster.patch_spec(name, order.fields)
        return look, order


pause = _order(
    controls.pause, "Freeze the rollout of Canary NAME at its weight. Gates stay armed; a new one does not start."
)
resume = _order(controls.resume, "Let a paused Canary NAME go on.")
abort = _order(controls.abort, "Roll the present rollout of Canary NAME back.")
retry = _order(controls.retry, "Run the last revision of Canary NAME that was rolled back once more.")
approve = _order(controls.approve, "Let the rollout of Canary NAME that awaits approval be promoted.")
