"""What the formats need besides the event."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatContext:
    """The external names of the registry, and the properties of the event's project."""

    hostname: str  #: what users write before the repository
    external_url: str  #: with scheme; charts are downloaded below it
    public: bool = False  #: the project
    repository_created_at: int | None = None  #: Unix seconds; None when not known
    source: str = ""  #: of a CloudEvent; names project and policy, set by `fanout`
