"""The rules of servers that are known, most particular first. docs/events.md says where each comes from.

A single word that a repository, a tag or a digest may be called is no text of a rule: registries put the
names of what they could not write into their answers.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from sidecar.quota.rules import RejectionRule, Write

_OVERFLOW: Final = (
    "of * resource, which when updated to current usage of * will exceed the configured upper limit of"
)
_RATE: Final = ("per second", "per minute", "per hour", "per day", "rate limit", "too many requests")

KNOWN_RULES: Final = (
    # Harbor src/pkg/quota/errors.go; before 2.0 with a prefix, and for charts as plain text.
    RejectionRule(
        name="harbor",
        statuses=frozenset({403}),
        texts=(_OVERFLOW,),
        prefix="Quota exceeded when processing the request of ",
    ),
    # Quay endpoints/v2/errors.py, QuotaExceeded.
    RejectionRule(name="quay", statuses=frozenset({403}), texts=("quota has been exceeded on namespace",)),
    # zot pkg/api/quota.go: a new repository where no more are allowed.
    RejectionRule(
        name="zot",
        statuses=frozenset({429}),
        writes=frozenset({Write.MANIFEST}),
        code="TOOMANYREQUESTS",
        texts=('"limit":"',),
        unless_retry_after=True,
        says="the registry has reached its limit of repositories",
    ),
    # strerror(ENOSPC) and strerror(EDQUOT): distribution 2.8 and 3, ChartMuseum, zot and others on a full file system.
    RejectionRule(
        name="disk-full",
        statuses=frozenset({500, 503}),
        texts=("no space left on device", "disk quota exceeded"),
    ),
    # distribution 2.8 where it tells the number alone.
    RejectionRule(
        name="disk-full-errno",
        statuses=frozenset({500}),
        texts=('"Err":28}', '"Err":28,'),
        says="no space left on device",
    ),
    RejectionRule(
        name="disk-quota-errno",
        statuses=frozenset({500}),
        texts=('"Err":122}', '"Err":122,'),
        says="disk quota exceeded",
    ),
    # Errors of object stores as distribution's S3 driver writes them: MinIO, Ceph and Scaleway, Garage. In most of its
    # answers 2.8 says of all errors the same, so those cannot be told.
    RejectionRule(
        name="object-store",
        statuses=frozenset({500, 503}),
        texts=(
            "XMinioStorageFull: *status code: ",
            "QuotaExceeded: *status code: ",
            "InsufficientStorage: *status code: ",
            "AccessDenied: *size quota is reached*status code: ",
        ),
    ),
    # ChartMuseum pkg/chartmuseum/server/multitenant (--max-storage-objects), and whoever else says so in HTTP.
    RejectionRule(name="insufficient-storage", statuses=frozenset({507})),
    # ChartMuseum's --max-upload-size, nginx, ingress controllers and CDNs: nothing larger fits through. Of a
    # manifest it is a limit on manifests (4 MiB, distribution-spec), not on room.
    RejectionRule(name="body-limit", statuses=frozenset({413}), writes=frozenset({Write.BLOB, Write.CHART})),
    RejectionRule(
        name="artifactory",
        statuses=frozenset({403, 413, 500, 503}),
        texts=("datastore disk usage is too high", "disk usage * exceeded", "storage quota limit"),
    ),
    # Hosted registries, as far as their documents give the words.
    RejectionRule(
        name="hosted",
        statuses=frozenset({400, 402, 403, 409, 412}),
        texts=(
            "quota exceeded",
            "quota has been exceeded",
            "exceeded * quota",
            "exceeds * quota",
            "storage quota",
            "storage limit",
            "insufficient storage",
            "already has the maximum allowed number of images",
        ),
        unless=_RATE,
    ),
    RejectionRule(name="limit-exceeded", statuses=frozenset({400, 403}), code="LimitExceededException"),
    RejectionRule(name="quota-exceeded", statuses=frozenset({400, 403, 409, 500}), code="QUOTA_EXCEEDED"),
)


def with_changes(
    changes: Iterable[tuple[str, bool, dict[str, Any]]], known: tuple[RejectionRule, ...] = KNOWN_RULES
) -> tuple[RejectionRule, ...]:
    """The known rules with those of harbor.yml: name, whether it applies, and what it says other than the known.

    New ones come first, in their order.
    """
    rules = {rule.name: rule for rule in known}
    added: dict[str, RejectionRule] = {}
    for name, is_enabled, values in changes:
        place = rules if name in rules else added
        place[name] = replace(place.get(name, RejectionRule(name=name)), **values)
        if not is_enabled:
            del place[name]
    return (*added.values(), *rules.values())
