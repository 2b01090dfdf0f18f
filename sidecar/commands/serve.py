"""`sidecar serve`: run in the foreground."""

import sys
from pathlib import Path

import click
import structlog

from sidecar.app import logs
from sidecar.app.starting import CANNOT_START
from sidecar.commands.common import config_option, read_settings
from sidecar.model.errors import StartFailed


@click.command("serve")
@config_option
def command(config: Path) -> None:
    """Run in the foreground until SIGTERM."""
    settings = read_settings(config)
    logs.configure(settings.log_level)
    for notice in settings.notices:
        structlog.get_logger().warning("config.not_in_effect", notice=notice)
    from sidecar.app.process import run  # noqa: PLC0415 - configuration errors are reported without waiting for it

    try:
        sys.exit(run(settings, config))
    except StartFailed as exc:
        click.echo(str(exc), err=True)
        sys.exit(CANNOT_START)
