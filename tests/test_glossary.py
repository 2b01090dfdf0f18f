"""Words: one for each thing, as docs/glossary.md has them, and none of those that were given up.

Names in the code are read as whole identifiers, so that ordinary English ("in its place") stays what it is; texts are
read as sentences are written, in documents, docstrings, comments and messages.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Final, TypeGuard

import pytest

ROOT: Final = Path(__file__).parents[1]
GLOSSARY: Final = ROOT / "docs" / "glossary.md"
CODE: Final = ("sidecar/*", "tests/*", "bench/*", "demo/*")
SIDECAR: Final = ("sidecar/*",)
DOCUMENTS: Final = ("README.md", "CONTRIBUTING.md", "docs/*", "harbor.yml.example")
#: What speaks of retired words because it retires them.
UNREAD: Final = {"docs/glossary.md", "tests/test_glossary.py"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """A word that stands for nothing any more."""

    word: str  #: as the glossary's table has it
    instead: str  #: the same table's second column
    names: str = ""  #: pattern of whole identifiers and modules, leading underscores left out
    text: str = ""  #: pattern within a line, in any case
    where: tuple[str, ...] = SIDECAR


RETIRED: Final = (
    # Two things had one name.
    Retired(word="Observer, of attempts", instead="reporter", names=r"[Oo]bserver", where=("sidecar/dispatcher/*",)),
    Retired(
        word="Connections",
        instead="upstream connections; target connections",
        names="Connections",
        where=CODE,
    ),
    Retired(
        word="verdict",
        instead="decision (of a delivery); finding (of an intent)",
        names=r"Verdict|verdicts?|\w+_verdict|verdict_\w+|judge",
    ),
    Retired(
        word="clock, of elapsed time",
        instead="monotonic time; timer",
        names=r"(answer|body|start|stop)_clock|clock",
        where=("sidecar/admin/*", "sidecar/proxy/*"),
    ),
    Retired(
        word="facts, of a log line or a message",
        instead="log fields; rows",
        names=r"facts?|facts_of|\w+_facts?",
        where=("sidecar/dispatcher/*", "sidecar/formats/*", "sidecar/commands/*"),
    ),
    Retired(
        word="kept",
        instead="copied; recorded; pending; stored",
        names=r"[Kk]ept|Kept[A-Z]\w+|is_kept|kept_(in_memory|bytes|s)|most_kept(_bytes)?",
    ),
    Retired(
        word="hold, of anything but an event",
        instead="grace; taken",
        names=r"hold|hold_(s|reason)|held_(since|bytes)|holders",
        where=("sidecar/dispatcher/*", "sidecar/queue/*", "sidecar/proxy/*"),
    ),
    Retired(
        word="place",
        instead="upstream client; position; slot",
        names=r"[Pp]laces?|places?_of|\w+_places?",
    ),
    Retired(word="lane", instead="order key; priority", names=r"[Ll]anes?|\w+_lanes?", text=r"\blanes?\b"),
    Retired(
        word="mark",
        instead="target id; byte position",
        names=r"marks?|target_marks?|address_mark|marks_\w+|prefix_marks|layers_mark|second_mark|mark_\w+",
    ),
    # One thing had several.
    Retired(word="book", instead="target registry", names=r"[Bb]ook|\w+_book|book_\w+|\w+Book", where=CODE),
    Retired(word="beside, of a running program", instead="offline", names=r"beside|open_beside", where=SIDECAR),
    Retired(word="remake", instead="re-encode", names=r"remake\w*|remade", text=r"\brema(k|d)e", where=CODE),
    Retired(word="gathering", instead="batching", names=r"[Gg]athering|gathered", text=r"\bgathering\b", where=CODE),
    Retired(
        word="telling",
        instead="reporting",
        names=r"tell|tell_\w+|[Tt]elling|[Tt]old|[Uu]ntold|was_not_told",
        where=(*SIDECAR, "tests/support/refusals/*"),
    ),
    Retired(word="passage", instead="request context", names=r"[Pp]assages?|\w+_passage", text=r"\bpassage\b"),
    Retired(word="means", instead="dependencies", names=r"[Mm]eans"),
    Retired(word="mistake", instead="error", names=r"[Mm]istakes?|\w+_mistakes?|mistakes?_of", where=("sidecar/*", "tests/*")),
    Retired(word="remark", instead="diagnostic", names=r"[Rr]emarks?"),
    Retired(word="rules and checks, of harbor.yml", instead="cross-field and field validators", names=r"checks|check_\w*rules", where=("sidecar/config/*",)),
    Retired(word="outage, absence", instead="circuit breaker; away", names=r"[Oo]utage|[Aa]bsences?|is_outage"),
    Retired(word="ripe", instead="due", names=r"[Rr]ipe|[Rr]ipen|\w+_ripe|ripe_\w+|(?i:ripen?_\w+)", text=r"\bripe", where=CODE),
    Retired(word="bodiless", instead="unencoded", names=r"[Bb]odiless|\w+_bodiless", text=r"\bbodiless\b", where=SIDECAR),
    Retired(word="trial", instead="endpoint test", names=r"[Tt]rials?|\w+_trials?"),
    Retired(word="steady", instead="monotonic", names=r"steady(_s)?", where=CODE),
    Retired(word="wall, utc_now", instead="now", names=r"wall(_s)?|utc_now", where=CODE),
    # No word of the field.
    Retired(word="farewell", instead="close_notify", text=r"\bfarewell", where=(*CODE, *DOCUMENTS)),
    Retired(word="want of room", instead="lack of storage", text=r"\b(want|lack) of room", where=(*CODE, *DOCUMENTS)),
    Retired(word="by chance, of waiting times", instead="random jitter", text=r"\bby chance\b", where=(*SIDECAR, *DOCUMENTS)),
    Retired(word="what came of it", instead="its result", text=r"what came of it\b", where=(*CODE, *DOCUMENTS)),
    Retired(word="is said of", instead="say it with a subject", text=r"\b(is|was|are) said of\b", where=(*SIDECAR, *DOCUMENTS)),
    Retired(word="is told of", instead="learns; is sent", text=r"\btold of\b", where=(*SIDECAR, *DOCUMENTS)),
)  # fmt: skip

#: Word => files that have it still. Shrinks; an entry without need fails.
STILL: Final[dict[str, tuple[str, ...]]] = {}


#: What the glossary names before it is there. Shrinks.
AWAITED: Final = set[str]()
#: Classes that still share a name. Shrinks.
NAMESAKES: Final[frozenset[str]] = frozenset()
#: The glossary's sections that say what a word means.
MEANINGS: Final = ("What is seen", "What is made of it", "How it runs")


@cache
def files() -> tuple[str, ...]:
    """Of code and documents, relative to the root."""
    found = [path for pattern in (*CODE, *DOCUMENTS) for path in ROOT.glob(pattern.replace("/*", "/**/*"))]
    names = (path.relative_to(ROOT).as_posix() for path in found if path.is_file())
    return tuple(
        sorted(name for name in names if name.endswith((".py", ".md", ".example")) and name not in UNREAD)
    )


@cache
def names_in(source: str) -> tuple[tuple[int, str], ...]:
    """Line and identifier, in f-strings too; the keys of a line of the log are the log's."""
    return tuple(_names_in(source))


def _names_in(source: str) -> Iterator[tuple[int, str]]:
    tree = ast.parse(source)
    logged = {key for node in ast.walk(tree) if is_of_log(node) for key in node.keywords}
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield node.lineno, name
            case ast.keyword(arg=str(name)) if node not in logged:
                yield node.lineno, name
            case ast.alias(name=name, asname=renamed):
                yield from ((node.lineno, part) for part in (*name.split("."), renamed or ""))
            case ast.ImportFrom(module=str(name)):
                yield from ((node.lineno, part) for part in name.split("."))
            case _:
                pass


def is_of_log(node: ast.AST) -> TypeGuard[ast.Call]:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value).endswith("log")
    )


def found_in(retired: Retired, name: str, text: str) -> list[str]:
    """Where a file, named `name`, has a retired word; readable."""
    found = []
    if retired.names and name.endswith(".py"):
        pattern = re.compile(rf"_*(?:{retired.names})")
        stem = Path(name).stem.removeprefix("test_")
        used = [(0, stem), *names_in(text)]
        found += [f"{name}:{line}: {used}" for line, used in used if pattern.fullmatch(used)]
    if retired.text:
        lines = enumerate(text.splitlines(), 1)
        found += [
            f"{name}:{at}: {line.strip()}"
            for at, line in lines
            if re.search(retired.text, line, re.IGNORECASE)
        ]
    return found


def is_one_of(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


@cache
def text_of(name: str) -> str:
    return (ROOT / name).read_text()


def uses(retired: Retired) -> dict[str, list[str]]:
    """File => where it has the word."""
    found = {
        name: found_in(retired, name, text_of(name)) for name in files() if is_one_of(name, retired.where)
    }
    return {name: lines for name, lines in found.items() if lines}


@pytest.mark.parametrize("retired", RETIRED, ids=lambda retired: str(retired.word))
def test_a_retired_word_is_nowhere(retired: Retired) -> None:
    found, still = uses(retired), STILL.get(retired.word, ())
    beyond = [line for name, lines in found.items() if not is_one_of(name, still) for line in lines]
    assert not beyond, f"write {retired.instead}, see docs/glossary.md"
    over = [pattern for pattern in still if not any(fnmatch(name, pattern) for name in found)]
    assert not over, "take them off the list of exceptions"


def test_exceptions_are_of_retired_words() -> None:
    assert set(STILL) <= {retired.word for retired in RETIRED}


def rows_below(heading: str) -> list[list[str]]:
    _, _, section = GLOSSARY.read_text().partition(f"\n## {heading}\n")
    assert section, f"no section {heading}"
    lines = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def test_the_glossary_lists_what_is_retired_and_nothing_else() -> None:
    assert [tuple(row) for row in rows_below("Retired words")] == [
        (word.word, word.instead) for word in RETIRED
    ]


def defined() -> dict[str, set[str]]:
    """Module, as the glossary writes it => what it defines, methods and attributes of classes included."""
    modules = {}
    for name in files():
        if name.startswith("sidecar/"):
            module = (
                name.removeprefix("sidecar/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            )
            modules[module] = set(definitions(ast.parse(text_of(name)).body))
    return modules


def definitions(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.ClassDef(name=name):
                yield name
                yield from (f"{name}.{inner}" for inner in definitions(node.body))
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case _:
                pass


def pointers() -> list[str]:
    """What the last column of the glossary's tables names, as `module.Name`."""
    rows = [row for heading in MEANINGS for row in rows_below(heading)]
    return [name for row in rows for name in re.findall(r"`([a-z_0-9]+(?:\.\w+)+)`", row[2])]


def is_defined(dotted: str, modules: dict[str, set[str]]) -> bool:
    """Whether it is a module, or stands in one; the folders above a module need not be named."""
    parts = dotted.split(".")
    splits = [(f".{'.'.join(parts[:at])}", ".".join(parts[at:])) for at in range(1, len(parts) + 1)]
    return any(
        f".{module}".endswith(end) and (not name or name in names)
        for module, names in modules.items()
        for end, name in splits
    )


def test_what_the_glossary_points_to_is_there() -> None:
    modules = defined()
    assert {name for name in pointers() if not is_defined(name, modules)} == AWAITED
    assert len(pointers()) > len(MEANINGS)


def test_no_word_has_two_rows() -> None:
    words = Counter(
        word.strip() for heading in MEANINGS for row in rows_below(heading) for word in row[0].split(",")
    )
    assert not [word for word, count in words.items() if count > 1]


def test_no_two_classes_have_one_name() -> None:
    """A class that others may import is one thing."""
    classes: dict[str, set[str]] = {}
    for name in files():
        if name.startswith("sidecar/"):
            for node in ast.parse(text_of(name)).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    classes.setdefault(node.name, set()).add(name)
    assert {name for name, where in classes.items() if len(where) > 1} == NAMESAKES


_LANE: Final = Retired(word="lane", instead="queue", names=r"[Ll]anes?|\w+_lanes?", text=r"\blanes?\b")


def test_a_retired_name_is_found_and_ordinary_english_is_not() -> None:
    place = Retired(word="place", instead="position", names=r"[Pp]laces?|\w+_places?")
    source = '"""In its place."""\n_place = 1  # takes place\nself.registry_place.replace("place")\nclass Place: ...\nf"{place.url}"\n'
    assert sorted(found_in(place, "sidecar/x.py", source)) == [
        "sidecar/x.py:2: _place",
        "sidecar/x.py:3: registry_place",
        "sidecar/x.py:4: Place",
        "sidecar/x.py:5: place",
    ]
    assert found_in(place, "sidecar/x.py", 'log.info("a.b", place=1)') == []
    assert found_in(place, "docs/x.md", "A `place`.") == []


def test_a_retired_word_is_found_in_texts_and_in_the_name_of_a_file() -> None:
    assert found_in(_LANE, "docs/x.md", "One.\nTwo Lanes, planes.\n") == ["docs/x.md:2: Two Lanes, planes."]
    assert found_in(_LANE, "tests/unit/test_lanes.py", "x = 1\n") == ["tests/unit/test_lanes.py:0: lanes"]
    assert found_in(_LANE, "sidecar/x.py", "x = 1  # a lane\n") == ["sidecar/x.py:1: x = 1  # a lane"]


def test_a_word_is_retired_where_it_says() -> None:
    assert is_one_of("sidecar/dispatcher/window.py", _LANE.where)
    assert not is_one_of("docs/delivery.md", _LANE.where)
