"""Refused pushes between their requests: what is recognised, and what may be going on.

Nearly always nothing is, and then nobody is asked and nothing is noted: a `GET /v2/` costs nothing here.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from http import HTTPStatus
from typing import Final

import structlog

from sidecar.detectors.refused_pushes import (
    asks_for_blobs_once,
    note_question,
    note_request,
    note_upload,
)
from sidecar.model.exchange import Client, Exchange
from sidecar.model.names import Digest, Reference, Repository
from sidecar.model.operation import GetManifest, HeadManifest
from sidecar.quota.known import KNOWN_RULES
from sidecar.quota.rules import USUAL_COURSE, Rejection, RejectionRule, recognise, write_of
from sidecar.quota.words import said_in
from sidecar.store.ledger import Ledger
from sidecar.store.store import Store

log = structlog.get_logger()

#: Longer than any client pauses. At the start the last run may have left something going on.
_LOOKED_FOR_S: Final = 60.0
_MOST_CLIENTS: Final = 10_000
_LONGEST_WORDS: Final = 200  #: characters


class RefusedPushes:
    """What the pipeline asks about refusals."""

    def __init__(self, store: Store, *, now: Callable[[], datetime], steady_s: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._steady_s = steady_s
        self._looked_for_until_s = steady_s() + _LOOKED_FOR_S
        self._refused: set[Client] = set()  #: while any of them may go on
        self._rules: tuple[RejectionRule, ...] = KNOWN_RULES
        self._is_followed = True
        self._several_workers = False

    def apply(self, rules: Iterable[RejectionRule], *, is_followed: bool, several_workers: bool) -> None:
        """Use these settings from now on.

        is_followed      one event for each push, not for each request
        several_workers  what goes on may have been seen by another process
        """
        self._rules = tuple(rules)
        self._is_followed = is_followed
        self._several_workers = several_workers

    def recognise(self, exchange: Exchange) -> Rejection | None:
        """What a refused write was refused for, None when that is not lack of room."""
        write = write_of(exchange.operation)
        if write is None or exchange.status < 400 or exchange.refusal is None:
            return None  # without an answer of the upstream the status is ours
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
        """Whether any push may have been refused a moment ago, and be tried again."""
        return self._might_go_on(before_s=0)

    def _might_go_on(self, *, before_s: float) -> bool:
        """As `may_go_on`, so many seconds ago."""
        since_s = self._steady_s() - before_s
        return self._is_followed and (self._several_workers or since_s < self._looked_for_until_s)

    def saw_ping(self, client: Client) -> None:
        if self.may_go_on:
            at = self._now()
            self._store.post(lambda ledger: ledger.note_ping(client, at=at))

    def saw_upload(self, client: Client, repository: Repository, began_at: datetime) -> None:
        at = self._now()
        if self._might_go_on(before_s=(at - began_at).total_seconds()):  # when it began: it may take minutes
            if client in self._refused:
                self._look_out_for(client)
            self._store.post(lambda ledger: note_upload(client, repository, ledger, began_at=began_at, at=at))

    def saw_blob_question(self, client: Client, repository: Repository, digest: Digest) -> None:
        if not self._is_followed:
            return
        at, what = self._now(), Reference(digest=digest)
        if asks_for_blobs_once(client):
            self._store.post(
                lambda ledger: self._note_question(ledger, client, repository, what, at, is_blob=True)
            )
        elif self.may_go_on:
            self._store.post(lambda ledger: note_request(client, repository, ledger, began_at=at))

    def note_read(self, exchange: Exchange, ledger: Ledger) -> None:
        """A manifest was asked for, or fetched: what its client began with, as far as it pushes."""
        client, at = exchange.client, exchange.began_at
        match exchange.operation:
            case HeadManifest(repository, reference) if self._is_followed and _may_begin_a_push(exchange):
                self._note_question(ledger, client, repository, reference, at, is_blob=False)
            case GetManifest(repository) | HeadManifest(repository) if self.may_go_on:
                note_request(client, repository, ledger, began_at=at)
            case _:
                return

    def _note_question(
        self,
        ledger: Ledger,
        client: Client,
        repository: Repository,
        what: Reference,
        at: datetime,
        *,
        is_blob: bool,
    ) -> None:
        if self.may_go_on:
            note_question(client, repository, what, ledger, at=at, is_blob=is_blob)
        else:
            ledger.learn_question(client, repository, what, at=at)

    def _look_out_for(self, client: Client) -> None:
        if not self.may_go_on or len(self._refused) >= _MOST_CLIENTS:
            self._refused.clear()
        self._refused.add(client)
        self._looked_for_until_s = self._steady_s() + _LOOKED_FOR_S


def _may_begin_a_push(exchange: Exchange) -> bool:
    """Whether a HEAD of a manifest may be asked before it is pushed: what is not there, or by digest.

    oras asks by digest for what it is to give another tag, and it is there.
    """
    match exchange.operation:
        case HeadManifest(_, Reference(digest=digest)) if digest:
            return exchange.status == HTTPStatus.NOT_FOUND or not asks_for_blobs_once(exchange.client)
        case _:
            return exchange.status == HTTPStatus.NOT_FOUND


def _words(content: bytes) -> str:
    """What the upstream said, for whoever wants to write a rule."""
    return " ".join(filter(None, (said.line for said in said_in(content))))[:_LONGEST_WORDS]
