"""Events, intents and what is remembered of manifests, as JSON documents and back.

Documents outlive a version of this program: readers use defaults for keys that are missing and ignore
keys that they do not know.
"""

import json
from base64 import b64decode, b64encode
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sidecar.model.event import Chart, Event, EventType
from sidecar.model.exchange import Body, Client, Facts, Intent, Remembered
from sidecar.model.manifest import Manifest, manifest_from_document, manifest_to_document
from sidecar.model.memory import KnownManifest
from sidecar.model.names import Digest, Reference, Repository, Tag
from sidecar.model.operation import DeleteChart, DeleteManifest, PutManifest, UploadChart, WriteOperation
from sidecar.model.scan import ReportType, Scan, Scanner, ScanStatus, Vulnerability, parse_severity


def seconds(moment: datetime) -> float:
    """Unix seconds of an aware datetime."""
    return moment.timestamp()


def moment(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)


def _fields(value: Any) -> dict[str, Any]:
    """A dataclass one level deep; `dataclasses.asdict` copies everything, which costs six times as much."""
    return {name: getattr(value, name) for name in value.__slots__}


def _known(kind: Any, document: dict[str, Any]) -> dict[str, Any]:
    """What of a document are fields of a dataclass."""
    return {name: document[name] for name in kind.__slots__ if name in document}


#: A text as JSON writes it; as `json.dumps`, which takes ten times as long to find out that it is one.
quoted: Final = json.encoder.encode_basestring_ascii
#: Of documents; made once, as `json.dumps` does it for its own separators only.
_dumps: Final = json.JSONEncoder(separators=(",", ":")).encode


def client_key(client: Client) -> str:
    """One text for one client, for comparison only; its connection is no part of it."""
    return f"[{quoted(client.address)}, {quoted(client.operator)}, {quoted(client.user_agent)}]"


def client_from_key(key: str, connection: str) -> Client:
    address, operator, user_agent = json.loads(key)
    return Client(address=address, operator=operator, user_agent=user_agent, connection=connection)


def event_to_json(event: Event) -> str:
    document = _fields(event)
    document |= {
        "id": str(event.id),
        "occurred_at": seconds(event.occurred_at),
        "repository": _fields(event.repository),
        "chart": _fields(event.chart) if event.chart else None,
        "scan": _scan_out(event.scan) if event.scan else None,
    }
    return _dumps(document)


def event_from_json(text: str) -> Event:
    document = json.loads(text)
    known = _known(Event, document)
    known |= {
        "id": UUID(document["id"]),
        "type": EventType(document["type"]),
        "occurred_at": moment(document["occurred_at"]),
        "repository": Repository(**document["repository"]),
        "tags": tuple(document.get("tags", ())),
        "platforms": tuple(document.get("platforms", ())),
        "chart": _chart(document.get("chart")),
        "scan": _scan_in(document.get("scan")),
    }
    return Event(**known)


def known_to_json(known: KnownManifest) -> str:
    return _dumps(_fields(known))


def known_from_json(text: str) -> KnownManifest:
    document = json.loads(text)
    return KnownManifest(
        media_type=document["media_type"],
        content_bytes=document["content_bytes"],
        children=tuple(document["children"]),
        platforms=tuple(document["platforms"]),
        is_attached=document["is_attached"],
    )


_OPERATIONS: Final = {kind.__name__: kind for kind in (PutManifest, DeleteManifest, UploadChart, DeleteChart)}


def intent_to_json(intent: Intent) -> str:
    facts = intent.facts
    document = {
        "operation": {"kind": type(intent.operation).__name__, **asdict(intent.operation)},
        "client": _fields(intent.client),
        "request_body": _body_out(intent.request_body),
        "facts": {
            "existed": facts.existed,
            "digest": facts.digest,
            "tags": facts.tags,
            "other_tags": sorted(facts.other_tags),
            "manifest": manifest_to_document(facts.manifest) if facts.manifest else None,
            "children": {digest: manifest_to_document(child) for digest, child in facts.children.items()},
            "platforms": dict(facts.platforms),
            "chart": asdict(facts.chart) if facts.chart else None,
        },
        "chart_sizes": dict(intent.chart_sizes),
        "request_id": intent.request_id,
        "content_digest": intent.content_digest,
        "remembered": intent.remembered,
    }
    return _dumps(document)


def intent_from_json(identity: str, opened_at: float, text: str) -> Intent:
    document = json.loads(text)
    facts = document["facts"]
    children = {Digest(digest): _manifest_in(child) for digest, child in facts["children"].items()}
    return Intent(
        id=UUID(identity),
        operation=_operation(document["operation"]),
        client=Client(**document["client"]),
        opened_at=moment(opened_at),
        request_body=_body_in(document["request_body"]),
        facts=Facts(
            existed=facts["existed"],
            digest=facts["digest"],
            tags=tuple(facts["tags"]),
            other_tags=frozenset(facts.get("other_tags", ())),
            manifest=_manifest_in(facts["manifest"]),
            children={digest: child for digest, child in children.items() if child},
            platforms=facts["platforms"],
            chart=_chart(facts["chart"]),
        ),
        chart_sizes=_chart_sizes(document),
        request_id=document["request_id"],
        content_digest=document.get("content_digest"),
        remembered=Remembered(document.get("remembered", Remembered.NOTHING)),
    )


def _chart_sizes(document: dict[str, Any]) -> dict[Digest, int]:
    if document.get("chart_digest"):  # written by 0.1.0
        return {document["chart_digest"]: (document.get("chart") or {}).get("size_bytes") or 0}
    return {Digest(digest): size for digest, size in document.get("chart_sizes", {}).items()}


def _operation(document: dict[str, Any]) -> WriteOperation:
    kind = _OPERATIONS[document.pop("kind")]
    if "repository" in document:
        document["repository"] = Repository(**document["repository"])
        tag, digest = document["reference"]["tag"], document["reference"]["digest"]
        document["reference"] = Reference(
            tag=Tag(tag) if tag else None, digest=Digest(digest) if digest else None
        )
    return kind(**document)


def _chart(document: dict[str, Any] | None) -> Chart | None:
    return Chart(**document) if document else None


def _scan_out(scan: Scan) -> dict[str, Any]:
    return _fields(scan) | {
        "started_at": seconds(scan.started_at),
        "ended_at": seconds(scan.ended_at),
        "counts": dict(scan.counts),
        "scanner": _fields(scan.scanner) if scan.scanner else None,
        "vulnerabilities": [_fields(found) for found in scan.vulnerabilities],
    }


def _scan_in(document: dict[str, Any] | None) -> Scan | None:
    if not document:
        return None
    severity, scanner = document.get("severity"), document.get("scanner")
    known = _known(Scan, document) | {
        "report_type": ReportType(document["report_type"]),
        "status": ScanStatus(document["status"]),
        "started_at": moment(document["started_at"]),
        "ended_at": moment(document["ended_at"]),
        "severity": parse_severity(severity) if severity else None,
        "counts": tuple((parse_severity(name), number) for name, number in document["counts"].items()),
        "scanner": Scanner(**_known(Scanner, scanner)) if scanner else None,
        "vulnerabilities": tuple(map(_vulnerability, document["vulnerabilities"])),
    }
    return Scan(**known)


def _vulnerability(document: dict[str, Any]) -> Vulnerability:
    known = _known(Vulnerability, document)
    known |= {"severity": parse_severity(known["severity"]), "links": tuple(document.get("links", ()))}
    return Vulnerability(**known)


def _manifest_in(document: Any) -> Manifest | None:
    """None for one that an earlier version wrote as bytes, too: sizes of one delete are then unknown."""
    return manifest_from_document(document) if isinstance(document, dict) else None


def _body_out(body: Body | None) -> list[str] | None:
    return [b64encode(body.content).decode(), body.content_type] if body else None


def _body_in(document: list[str] | None) -> Body | None:
    return Body(b64decode(document[0]), document[1]) if document else None
