"""Which tags name a digest that is about to be deleted: those that are remembered first, then as many as may be asked."""

import asyncio
import re
from typing import Final
from urllib.parse import quote

from sidecar.model.names import Digest, Repository
from sidecar.proxy.facts import Found
from sidecar.proxy.headers import relative_location, text_of
from sidecar.proxy.manifest_questions import ManifestQuestions

_LARGEST_TAG_PAGE_BYTES: Final = 512 * 1024
_NEXT_PAGE = re.compile(r'<([^>]*)>\s*;[^,]*rel="?next"?')


class TagLookUps:
    """What has been learnt is there also when the time is over before all was."""

    def __init__(
        self,
        questions: ManifestQuestions,
        repository: Repository,
        digest: Digest,
        remembered: tuple[str, ...],
    ) -> None:
        self._questions = questions
        self._repository = repository
        self._digest = digest
        self._order = dict.fromkeys(remembered)
        self._answers: dict[str, bool] = {}  # whether it names the digest, of those that answered

    async def ask(self) -> None:
        """What the remembered tags name, then what the others do, as many as are looked up."""
        most = self._questions.most_tags
        remembered = tuple(self._order)[:most]
        async with asyncio.TaskGroup() as group:
            listing = group.create_task(self._all_tags())
            for tag in remembered:
                group.create_task(self._ask_tag(tag))
        others = [tag for tag in listing.result() if tag not in self._order]
        self._order |= dict.fromkeys(others)
        async with asyncio.TaskGroup() as group:
            for tag in others[: most - len(remembered)]:
                group.create_task(self._ask_tag(tag))

    async def _ask_tag(self, tag: str) -> None:
        found = await self._questions.manifest_at(self._repository, quote(tag), method="HEAD")
        named = found.digest if found and found.status == 200 else None
        if found and found.status == 404:
            self._answers[tag] = False
        elif named and _algorithm(named) == _algorithm(self._digest):  # one content has a digest in each
            self._answers[tag] = named == self._digest

    @property
    def naming(self) -> tuple[str, ...]:
        """Tags that name it, in the order in which they were asked for, whichever answer came first."""
        return tuple(tag for tag in self._order if self._answers.get(tag))

    @property
    def others(self) -> frozenset[str]:
        """Tags that do not."""
        return frozenset(tag for tag, is_named in self._answers.items() if not is_named)

    async def _all_tags(self) -> list[str]:
        """As many tags as are looked up, page by page."""
        tags: list[str] = []
        target = f"/v2/{self._repository.full_name}/tags/list?n={self._questions.most_tags}"
        while target and len(tags) < self._questions.most_tags:
            page = await self._questions.ask(target, limit_bytes=_LARGEST_TAG_PAGE_BYTES)
            names = page.document().get("tags") if page and page.status == 200 else None
            if not page or not isinstance(names, list) or not names:
                break
            tags += [name for name in names if isinstance(name, str)]
            target = self._next_page(page)
        return list(dict.fromkeys(tags))[: self._questions.most_tags]

    def _next_page(self, page: Found) -> str:
        link = _NEXT_PAGE.search(text_of(page.headers, b"link"))
        if not link:
            return ""
        target = relative_location(link[1].encode("latin-1"), self._questions.upstream.url).decode("latin-1")
        return target if target.startswith("/") and not target.startswith("//") else ""


def _algorithm(digest: Digest) -> str:
    return digest.partition(":")[0]
