"""`sidecar enable-target`: try a target again that answered 410 Gone."""

from pathlib import Path

import click

from sidecar.commands.common import answers, config_option, policy_id, read_settings
from sidecar.services.policies import enable_targets


@click.command("enable-target")
@click.argument("policy")
@click.option("--target", "index", type=click.IntRange(min=0), help="Which of them, from 0; left out: all.")
@config_option
def command(policy: str, index: int | None, config: Path) -> None:
    """Use targets of a policy again that answered 410 Gone.

    The running sidecar notices within five seconds. What was cancelled meanwhile stays so:
    `sidecar redeliver --failed --policy …` sends it again.
    """
    settings = read_settings(config)
    wanted = policy_id(settings, policy)
    with answers():
        number = enable_targets(settings, wanted, index)
    click.echo(f"{number} {'target is' if number == 1 else 'targets are'} used again.")
