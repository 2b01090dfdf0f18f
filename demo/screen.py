"""Output of the demonstration; colours only on a terminal."""

import json
import os
import re
import sys
import threading
from typing import Any

_one_at_a_time = threading.Lock()  # webhooks, builds and the demonstration run in threads of their own
_COLOURED = sys.stdout.isatty() and "NO_COLOR" not in os.environ
_KEY = re.compile(r'^(\s*)("[^"]+"):')
_LIST_OF_ONE = re.compile(r'\[\s+("[^"]*")\s+\]')


def paint(text: str, *codes: int) -> str:
    return f"\033[{';'.join(map(str, codes))}m{text}\033[0m" if _COLOURED else text


def say(text: str = "") -> None:
    with _one_at_a_time:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def note(text: str) -> None:
    """A line about work in the background."""
    say("  " + paint(text, 2))


def title(text: str) -> None:
    say(f"\n{paint(text, 1)}")


def command(text: str) -> None:
    say(f"\n  {paint('$', 2)} {paint(text, 1)}")


def event(payload: dict[str, Any], *, headline: str) -> None:
    """One webhook: its type in a line, then what the receiver got, indented."""
    name = payload.get("event_type", "?")
    text = _LIST_OF_ONE.sub(r"[\1]", json.dumps(payload, indent=2))
    say(
        "\n".join(
            [
                f"    {paint('webhook', 30, 42)} {paint(name, 1, 32)} {paint(headline, 2)}",
                *(
                    "      " + _KEY.sub(lambda key: f"{key[1]}{paint(key[2], 36)}:", line)
                    for line in text.splitlines()
                ),
            ]
        )
    )


def problem(text: str) -> None:
    say("    " + paint(text, 31).replace("\n", "\n    "))


def facts(rows: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        say(f"  {paint(name.ljust(width), 2)}  {value}")
