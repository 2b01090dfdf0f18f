"""The rules for known servers, most specific first. docs/events.md gives the source of each.

Responses quote text from clients, which must not match. So no rule's text is a single word that may be the name of
a repository, tag or digest. A manifest's mediaType, a Content-Range and a chart's name may be any text: errors that
quote them are excluded.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from sidecar.quota.rules import RejectionRule, WriteKind

_OVERFLOW: Final = (
    "of * resource, which when updated to current usage of * will exceed the configured upper limit of"
)
_REGISTRY: Final = frozenset({WriteKind.BLOB, WriteKind.MANIFEST})
_DISK_FULL: Final = ("no space left on device", "disk quota exceeded")
_STORE_FULL: Final = (
    "XMinioStorageFull: *status code: ",
    "QuotaExceeded: *status code: ",
    "InsufficientStorage: *status code: ",
    "AccessDenied: *size quota is reached*status code: ",
    "azure: *ErrorCode=AccountSizeOverQuota,",
)
#: distribution 3 answers 500 to an invalid Content-Range, and quotes it.
_RANGE: Final = "invalid content range"
#: Errors about the request (distribution-spec, "Error Codes"): their details quote it.
_OF_THE_REQUEST: Final = frozenset(
    {
        *("BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID"),
        *("MANIFEST_BLOB_UNKNOWN", "MANIFEST_INVALID", "MANIFEST_UNKNOWN", "MANIFEST_UNVERIFIED"),
        *("NAME_INVALID", "NAME_UNKNOWN", "RANGE_INVALID", "SIZE_INVALID", "TAG_INVALID", "UNSUPPORTED"),
    }
)
_RATE: Final = ("per second", "per minute", "per hour", "per day", "rate limit", "too many requests")


def _in_file_names(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The texts as a chart may be called, whose file cannot be written for another reason."""
    return tuple(f"{text}*{ending}" for text in texts for ending in (".tgz", ".prov"))


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
        writes=frozenset({WriteKind.MANIFEST}),
        code="TOOMANYREQUESTS",
        texts=('"limit":"',),
        unless_retry_after=True,
        says="the registry has reached its limit of repositories",
    ),
    # strerror(ENOSPC) and strerror(EDQUOT): distribution 2.8 and 3, ChartMuseum, zot and others on a full file system.
    RejectionRule(
        name="disk-full",
        statuses=frozenset({500, 503}),
        texts=_DISK_FULL,
        unless=(_RANGE, *_in_file_names(_DISK_FULL)),
    ),
    # distribution 2.8 where it gives only the number.
    RejectionRule(
        name="disk-full-errno",
        statuses=frozenset({500}),
        writes=_REGISTRY,
        texts=('"Err":28}', '"Err":28,'),
        unless=(_RANGE,),
        says="no space left on device",
    ),
    RejectionRule(
        name="disk-quota-errno",
        statuses=frozenset({500}),
        writes=_REGISTRY,
        texts=('"Err":122}', '"Err":122,'),
        unless=(_RANGE,),
        says="disk quota exceeded",
    ),
    # Errors of object stores as distribution's drivers write them: MinIO, Ceph and Scaleway, Garage, Azure. Over S3, in most of its
    # responses 2.8 gives the same text for all errors, so those cannot be distinguished.
    RejectionRule(
        name="object-store",
        statuses=frozenset({500, 503}),
        texts=_STORE_FULL,
        unless=(_RANGE, *_in_file_names(_STORE_FULL)),
    ),
    # ChartMuseum pkg/chartmuseum/server/multitenant (--max-storage-objects), and whoever else says so in HTTP.
    RejectionRule(name="insufficient-storage", statuses=frozenset({507})),
    # ChartMuseum's --max-upload-size, nginx, ingress controllers and CDNs: nothing larger fits through. Of a
    # manifest it is a limit on manifests (4 MiB, distribution-spec), not on room.
    RejectionRule(
        name="body-limit", statuses=frozenset({413}), writes=frozenset({WriteKind.BLOB, WriteKind.CHART})
    ),
    RejectionRule(
        name="artifactory",
        statuses=frozenset({403, 413, 500, 503}),
        writes=_REGISTRY,
        unless=(_RANGE,),
        texts=("datastore disk usage is too high", "disk usage * exceeded", "storage quota limit"),
    ),
    # Hosted registries, as far as their documents give the words.
    RejectionRule(
        name="hosted",
        statuses=frozenset({400, 402, 403, 409, 412}),
        writes=_REGISTRY,
        unless_codes=_OF_THE_REQUEST,
        texts=(
            "quota exceeded",
            "quota has been exceeded",
            "exceeded * quota",
            "exceeds * quota",
            "storage quota",
            "storage limit",
            "insufficient storage",
            "the maximum allowed number of",
            "registry contains * repositories, limit is",
        ),
        unless=_RATE,
    ),
    RejectionRule(name="limit-exceeded", statuses=frozenset({400, 403}), code="LimitExceededException"),
    RejectionRule(name="quota-exceeded", statuses=frozenset({400, 403, 409, 500}), code="QUOTA_EXCEEDED"),
)


def with_changes(
    changes: Iterable[tuple[str, bool, dict[str, Any]]], known: tuple[RejectionRule, ...] = KNOWN_RULES
) -> tuple[RejectionRule, ...]:
    """The known rules with those of harbor.yml: name, whether enabled, and the values that override the known rule.

    New ones come first, in their order.
    """
    rules = {rule.name: rule for rule in known}
    added: dict[str, RejectionRule] = {}
    for name, is_enabled, values in changes:
        chosen = rules if name in rules else added
        chosen[name] = replace(chosen.get(name, RejectionRule(name=name)), **values)
        if not is_enabled:
            del chosen[name]
    return (*added.values(), *rules.values())
