"""State of refused pushes between their requests, and recognition of rejections.

Nearly always no push is refused; then nothing is read or noted, and a `GET /v2/` costs nothing here.
"""

from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import Final

import structlog

from sidecar.detectors.refused_pushes import (
    asked_noted,
    asks_for_blobs_once,
    question_noted,
    refused_scope,
    request_noted,
    upload_noted,
)
from sidecar.model.changes import Changes, Decided
from sidecar.model.exchange import Client, Exchange
from sidecar.model.memory import Scope, Snapshot
from sidecar.model.names import Digest, Reference, Repository
from sidecar.model.operation import GetManifest, HeadManifest
from sidecar.quota.known import KNOWN_RULES
from sidecar.quota.rules import USUAL_COURSE, Rejection, RejectionRule, recognise, write_of
from sidecar.quota.words import said_in
from sidecar.store.store import Store

log = structlog.get_logger()

#: Longer than any client pauses. At the start a push of the last run may still be going on.
_LOOKED_FOR_S: Final = 60.0
_MOST_CLIENTS: Final = 10_000
_LONGEST_WORDS: Final = 200  #: characters


@dataclass(frozen=True, slots=True)
class Beginning:
    """A request with which a client may begin a push."""

    client: Client
    repository: Repository
    asked: Reference | None  #: the requested object, if that distinguishes pushes
    at: datetime
    _: KW_ONLY
    is_blob: bool
    may_go_on: bool  #: whether any push may have been refused recently

    @property
    def scope(self) -> Scope:
        return refused_scope(self.client, self.repository, self.asked)

    def widened(self, scope: Scope | None) -> Scope:
        """A scope of the same exchange, with what this needs."""
        own = self.scope
        return (
            replace(scope, traces=(*scope.traces, *own.traces), refused_in=own.refused_in) if scope else own
        )

    def noted(self, snapshot: Snapshot) -> Changes:
        client, repository, asked = self.client, self.repository, self.asked
        if asked is None:
            return request_noted(client, repository, snapshot, began_at=self.at)
        if not self.may_go_on:
            return asked_noted(client, repository, asked, snapshot, at=self.at)
        return question_noted(client, repository, asked, snapshot, at=self.at, is_blob=self.is_blob)


class RefusedPushes:
    """What the recorder needs to know about refusals."""

    def __init__(self, store: Store, *, now: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._monotonic = monotonic
        self._looked_for_until_s = monotonic() + _LOOKED_FOR_S
        self._refused: set[Client] = set()  #: until when any of them may go on
        self._rules: tuple[RejectionRule, ...] = KNOWN_RULES
        self._is_followed = True
        self._several_workers = False

    def apply(self, rules: Iterable[RejectionRule], *, is_followed: bool, several_workers: bool) -> None:
        """Use these settings from now on.

        is_followed      one event for each push, not for each request
        several_workers  another process may have seen the requests of a push
        """
        self._rules = tuple(rules)
        self._is_followed = is_followed
        self._several_workers = several_workers

    def recognise(self, exchange: Exchange) -> Rejection | None:
        """The rejection of a refused write, None when it was not for lack of storage."""
        write = write_of(exchange.operation)
        if write is None or exchange.status < 400 or exchange.refusal is None:
            return None  # without a response of the upstream the status is ours
        rejection = recognise(self._rules, write, exchange.status, exchange.refusal)
        if rejection:
            self._look_out_for(exchange.client)
            log.info(
                "push.rejected",
                request_id=exchange.request_id,
                rule=rejection.rule,
                status=exchange.status,
                details=rejection.details[:_LONGEST_WORDS],
            )
        elif exchange.status not in USUAL_COURSE:
            log.info(
                "push.refused",
                request_id=exchange.request_id,
                status=exchange.status,
                words=_words(exchange.refusal.content),
            )
        return rejection

    @property
    def may_go_on(self) -> bool:
        """Whether any push may have been refused recently, and be retried."""
        return self._might_go_on(before_s=0)

    def _might_go_on(self, *, before_s: float) -> bool:
        """As `may_go_on`, that many seconds ago."""
        since_s = self._monotonic() - before_s
        return self._is_followed and (self._several_workers or since_s < self._looked_for_until_s)

    def saw_ping(self, client: Client) -> None:
        if self.may_go_on:
            self._store.note_ping(client, at=self._now())

    def saw_upload(self, client: Client, repository: Repository, began_at: datetime) -> None:
        at = self._now()
        if self._might_go_on(before_s=(at - began_at).total_seconds()):  # when it began: it may take minutes
            if client in self._refused:
                self._look_out_for(client)
            self._store.post(
                refused_scope(client, repository),
                lambda known: Decided(
                    changes=upload_noted(client, repository, known, began_at=began_at, at=at)
                ),
            )

    def saw_blob_question(self, client: Client, repository: Repository, digest: Digest) -> None:
        if not self._is_followed:
            return
        asked = Reference(digest=digest) if asks_for_blobs_once(client) else None
        if asked or self.may_go_on:
            beginning = Beginning(
                client, repository, asked, self._now(), is_blob=True, may_go_on=self.may_go_on
            )
            self._store.post(beginning.scope, lambda known: Decided(changes=beginning.noted(known)))

    def beginning_in(self, exchange: Exchange) -> Beginning | None:
        """A manifest was requested: possibly the beginning of a client's push."""
        client, at, may_go_on = exchange.client, exchange.began_at, self.may_go_on
        match exchange.operation:
            case HeadManifest(repository, reference) if self._is_followed and _may_begin_a_push(exchange):
                return Beginning(client, repository, reference, at, is_blob=False, may_go_on=may_go_on)
            case GetManifest(repository) | HeadManifest(repository) if may_go_on:
                return Beginning(client, repository, None, at, is_blob=False, may_go_on=True)
            case _:
                return None

    def _look_out_for(self, client: Client) -> None:
        if not self.may_go_on or len(self._refused) >= _MOST_CLIENTS:
            self._refused.clear()
        self._refused.add(client)
        self._looked_for_until_s = self._monotonic() + _LOOKED_FOR_S


def _may_begin_a_push(exchange: Exchange) -> bool:
    """Whether a HEAD of a manifest may precede its push: it was not found, or was requested by digest.

    oras requests by digest the manifest that it is about to tag, and finds it.
    """
    match exchange.operation:
        case HeadManifest(_, Reference(digest=digest)) if digest:
            return exchange.status == HTTPStatus.NOT_FOUND or not asks_for_blobs_once(exchange.client)
        case _:
            return exchange.status == HTTPStatus.NOT_FOUND


def _words(content: bytes) -> str:
    """The text of the upstream's response, for writing a rule."""
    return " ".join(filter(None, (said.line for said in said_in(content))))[:_LONGEST_WORDS]
