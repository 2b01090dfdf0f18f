from typing import get_args

import pytest

from sidecar.model.names import parse_reference, repository_of
from sidecar.model.operation import GetManifest, Operation, Other
from sidecar.proxy.observer import Observer
from sidecar.proxy.observers import observer_of
from sidecar.proxy.reads import ManifestGet


def test_what_means_nothing_is_only_relayed() -> None:
    assert observer_of(Other()) is Observer


def test_pull_is_watched() -> None:
    repository = repository_of("prj/app", default_project="library")
    assert observer_of(GetManifest(repository, parse_reference("v1"))) is ManifestGet


@pytest.mark.parametrize("kind", [kind for kind in get_args(Operation) if kind is not Other])
def test_every_operation_is_watched_by_its_own_class(kind: type[Operation]) -> None:
    assert observer_of(object.__new__(kind)) is not Observer
