"""What follows from something else is what `python -m tests.contract.published` writes."""

from pathlib import Path

import pytest

from sidecar.model.event import EventType
from tests.contract.published import LIKE, Schema, published, text_of
from tests.contract.test_formats_schemas import SCHEMAS


@pytest.mark.parametrize(
    ("name", "document"), [pytest.param(name, document, id=str(name)) for name, document in published()]
)
def test_file_is_as_it_is_written(name: Path, document: Schema) -> None:
    assert (SCHEMAS / name).read_text() == text_of(document)


def test_what_is_like_another_has_its_shape_and_no_schema_of_its_own_to_follow() -> None:
    assert all(kind.about.shape is model.about.shape for kind, model in LIKE.items())
    assert not set(LIKE) & set(LIKE.values())
    assert EventType.IMAGE_PUSH not in LIKE
