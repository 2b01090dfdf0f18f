"""`python -m bench` prints all figures, `python -m bench NAME...` some of them."""

import signal
import time
from collections.abc import Callable, Iterator
from typing import Final

import click

from bench import accept, deliver, hostile, isolation, latency, relay, requests, startup
from bench.figures import Figure, table
from bench.scale import FULL, QUICK, Scale

MEASURES: Final[dict[str, tuple[str, Callable[[Scale], Iterator[Figure]]]]] = {
    "accept": (accept.TITLE, accept.measure),
    "deliver": (deliver.TITLE, deliver.measure),
    "latency": (latency.TITLE, latency.measure),
    "backlog": (startup.TITLE, startup.measure),
    "requests": (requests.TITLE, requests.measure),
    "relay": (relay.TITLE, relay.measure),
    "isolation": (isolation.TITLE, isolation.measure),
    "hostile": (hostile.TITLE, hostile.measure),
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, type=click.Choice(list(MEASURES)))
@click.option("--quick", is_flag=True, help="Seconds instead of minutes; the figures say less.")
def main(names: tuple[str, ...], *, quick: bool) -> None:
    """Print what this machine does, each figure beside a peer measured in the same run."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is ended
    for name in names or MEASURES:
        title, measure = MEASURES[name]
        begun_at = time.monotonic()
        figures = list(measure(QUICK if quick else FULL))
        click.echo(table(title, figures))
        click.echo(f"  ({time.monotonic() - begun_at:.0f} s)\n", err=True)


if __name__ == "__main__":
    main()
