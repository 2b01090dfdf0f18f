"""The beginning of a target's answer, fit to be kept: short, printable, without our secrets.

Pure. Some receivers echo the request; what we sent to authenticate ourselves must not end up in the
list of attempts that project members may read.
"""

import html
import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

LONGEST: Final = 4096  #: characters kept
_SHORTEST_PART: Final = 4  # a credential shorter than this is masked only as part of the whole header


def secret_spellings(whole: Iterable[str]) -> tuple[str, ...]:
    """Every form in which a target may show the given secrets, longest first.

    "Bearer xyz" is also "xyz"; "whsec_xyz" is also "xyz"; each is also as JSON, HTML and URLs write it.
    """
    spellings: set[str] = set()
    for secret in filter(None, whole):
        for part in {secret, *(part for part in _parts(secret) if len(part) >= _SHORTEST_PART)}:
            spellings |= _written(part)
    return tuple(sorted(spellings, key=len, reverse=True))


def _written(part: str) -> set[str]:
    in_json = json.dumps(part)[1:-1]
    # Some programs write every slash of JSON with a backslash.
    return {part, in_json, in_json.replace("/", "\\/"), html.escape(part), quote(part), quote(part, safe="")}


def _parts(secret: str) -> list[str]:
    parts = secret.split()[1:] if " " in secret else []
    keys = [part for part in secret.split() if part.startswith("whsec_")]
    return [*parts, *keys, *(key.removeprefix("whsec_") for key in keys)]


def excerpt(body: bytes, *, secrets: tuple[str, ...]) -> str:
    """The first characters of an answer, with `***` where it shows one of the secrets."""
    longest = len(secrets[0]) if secrets else 0
    text = body.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    shown = _mask(text[: LONGEST + longest], secrets)
    if len(text) > LONGEST + longest:
        # The cut may have left the beginning of a secret at the end.
        shown = shown[: len(shown) - longest]
    return shown[:LONGEST]


def _mask(text: str, secrets: tuple[str, ...]) -> str:
    shown = [secret for secret in secrets if secret in text]  # making a pattern of all costs more
    return re.sub("|".join(map(re.escape, shown)), "***", text) if shown else text
