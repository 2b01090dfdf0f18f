"""Documents: links lead somewhere, decisions are numbered and listed, and no list of commands stands twice."""

import re
from pathlib import Path
from typing import Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[1]
DOCUMENTS: Final = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "tests/*.md", "tests/clients/*.md")
    for path in ROOT.glob(pattern)
)
DECISIONS: Final = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))


def anchors(document: Path) -> set[str]:
    """Of a document's headings, as GitHub makes them."""
    headings = re.findall(r"(?m)^#+ (.*)$", re.sub(r"(?s)```.*?```", "", document.read_text()))
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    document = ROOT / name
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        there = (document.parent / path).resolve() if path else document
        assert there.exists(), link
        assert not anchor or anchor in anchors(there), link


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "LICENSE"])
def test_the_readme_leads_to_what_people_look_for(name: str) -> None:
    assert f"({name})" in (ROOT / "README.md").read_text() or name == "LICENSE"
    assert (ROOT / name).exists()


def test_the_readme_leads_to_every_document() -> None:
    readme = (ROOT / "README.md").read_text()
    documents = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} | {"docs/adr/README.md"}
    assert not {document for document in documents if f"({document})" not in readme}


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: str(path.stem))
def test_a_decision_has_the_form_of_one(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(f"# {int(path.name[:4])}. ")
    headings = re.findall(r"(?m)^## (.*)$", text)
    assert headings == ["Status", "Context", "Decision", "Consequences"]
    assert len(text.splitlines()) <= 60, "one page"
    status = text.partition("## Status\n\n")[2].split(maxsplit=1)[0].rstrip(".,;")
    assert status in {"Accepted", "Superseded"}


def test_the_list_of_decisions_has_each_with_its_title() -> None:
    index = (ROOT / "docs" / "adr" / "README.md").read_text()
    listed = re.findall(r"(?m)^\| \[(\d{4})\]\((.*?)\) \| (.*?) \|", index)
    there = [
        (path.name[:4], path.name, path.read_text().splitlines()[0].partition(". ")[2]) for path in DECISIONS
    ]
    assert listed == there


def test_what_runs_before_a_commit_is_what_make_check_runs() -> None:
    recipe = re.search(r"(?m)^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text())
    assert recipe
    commands = [line.strip() for line in recipe[1].splitlines() if not line.startswith("\t@")]
    configuration = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (local,) = configuration["repos"]
    assert local["repo"] == "local"  # nothing is fetched
    assert [hook["entry"].removeprefix(".venv/bin/") for hook in local["hooks"]] == commands
    for hook in local["hooks"]:
        assert hook["language"] == "system"
        assert hook["always_run"]
        assert not hook["pass_filenames"]
