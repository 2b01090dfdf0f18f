"""What the demo prints; colours only where a person looks."""

import json
import os
import re
import sys
from typing import Any

_COLOURED = sys.stdout.isatty() and "NO_COLOR" not in os.environ
_KEY = re.compile(r'^(\s*)("[^"]+"):')
_LIST_OF_ONE = re.compile(r'\[\s+("[^"]*")\s+\]')


def paint(text: str, *codes: int) -> str:
    return f"\033[{';'.join(map(str, codes))}m{text}\033[0m" if _COLOURED else text


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def title(text: str) -> None:
    say(f"\n{paint(text, 1)}")


def command(text: str) -> None:
    say(f"\n  {paint('$', 2)} {paint(text, 1)}")


def event(payload: dict[str, Any], *, headline: str) -> None:
    """One webhook: its type in a line, then what the receiver got, indented."""
    say(f"    {paint('webhook', 30, 42)} {paint(payload.get('event_type', '?'), 1, 32)} {paint(headline, 2)}")
    text = _LIST_OF_ONE.sub(r"[\1]", json.dumps(payload, indent=2))
    for line in text.splitlines():
        say("      " + (_KEY.sub(lambda key: f"{key[1]}{paint(key[2], 36)}:", line)))


def problem(text: str) -> None:
    say("    " + paint(text, 31).replace("\n", "\n    "))


def facts(rows: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        say(f"  {paint(name.ljust(width), 2)}  {value}")
