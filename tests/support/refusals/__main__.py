"""Ask all servers and write down what they refuse: python -m tests.support.refusals [NAME...]."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.refusals import charts, proxies, registries
from tests.support.refusals.refusal import Record, write

Recording = Callable[[Path], Iterator[Record]]

RECORDINGS: dict[str, tuple[Recording, ...]] = {
    "distribution-3": (
        lambda folder: registries.on_a_file_system(folder, "3"),
        lambda folder: registries.refused_for_other_reasons(folder, "3"),
    ),
    "distribution-2.8": (
        lambda folder: registries.on_a_file_system(folder, "2.8"),
        lambda folder: registries.refused_for_other_reasons(folder, "2.8"),
    ),
    "chartmuseum": (charts.on_a_file_system, charts.at_its_limits, charts.refused_for_other_reasons),
    "nginx": (proxies.before_a_registry, proxies.before_chartmuseum, proxies.on_a_full_file_system),
}


def recorded(name: str) -> list[Record]:
    """Everything that the servers of one file refuse now."""
    records: list[Record] = []
    for recording in RECORDINGS[name]:
        with TemporaryDirectory() as folder:
            records += recording(Path(folder))
    return records


def main(names: list[str]) -> None:
    for name in names or RECORDINGS:
        write(name, recorded(name))


if __name__ == "__main__":
    main(sys.argv[1:])
