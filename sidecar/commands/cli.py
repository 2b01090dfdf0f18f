"""The command line: the list of commands.

A command's module is imported only when it is called: `sidecar --help` must not wait for pydantic and
aiohttp. Exit status 2 means that the configuration or the command line cannot be used.
"""

import os
import signal
from importlib import import_module
from typing import Any, Final, NoReturn

import click

#: Command => what it does, its own first line of help.
COMMANDS: Final = {
    "check": "Read the configuration, say what is wrong with it or what it means.",
    "deliveries": "List what was sent, or is to be sent, to whom, and how it went.",
    "enable-target": "Use targets of a policy again that answered 410 Gone.",
    "explain-rejection": "Say which rule takes an upstream's answer for a push without room, and why.",
    "policies": "List webhook policies, what waits for them and what they last heard of.",
    "preview": "Show what a policy's targets would receive for sample events.",
    "redeliver": "Send deliveries again, with the same event ids.",
    "serve": "Run in the foreground until SIGTERM.",
    "tail": "Follow events as they are stored.",
    "test-endpoint": "Send sample events to a target and say how it answers.",
}


class _Commands(click.Group):
    def make_context(self, *args: Any, **more: Any) -> click.Context:
        try:
            return super().make_context(*args, **more)
        except BrokenPipeError:  # of the help
            _end_by_broken_pipe()

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _end_by_broken_pipe()

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module: Any = import_module(f"sidecar.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _end_by_broken_pipe() -> NoReturn:
    """Makes a closed standard output end the program silently, as in other tools.

    Python ignores SIGPIPE by default, because sockets raise it too.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    raise SystemExit(1)  # where it was blocked


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="registry-webhook-sidecar", prog_name="sidecar")
def main() -> None:
    """Harbor's webhooks for any container registry and chart repository."""
