"""Finds the policy or event type that a name stands for."""

from sidecar.config import Settings
from sidecar.model.errors import NotFound, RequestInvalid
from sidecar.model.event import EventType, of_harbor_alone, parse_event_type
from sidecar.policies.policy import WebhookPolicy


def policy_id(settings: Settings, text: str) -> str:
    """The id of the policy with this id or name; an id may be that of a removed policy, "" is none.

    Raises NotFound, or RequestInvalid where several have that name.
    """
    if not text or "/" in text:
        return text
    found = [policy.id for policy in settings.policies if policy.name == text]
    if len(found) == 1:
        return found[0]
    if found:
        raise RequestInvalid(f"Several policies are called {text}: {', '.join(found)}.")
    raise NotFound(f"No policy is called {text}; write project/name for one that was removed.")


def policy_named(settings: Settings, text: str) -> WebhookPolicy:
    """The policy in the current settings; raises as `policy_id`."""
    wanted = policy_id(settings, text)
    for policy in settings.policies:
        if policy.id == wanted:
            return policy
    raise NotFound(f"No policy is called {text}.")


def event_type_named(text: str) -> EventType:
    """An event type in any of Harbor's spellings; raises RequestInvalid."""
    kind = parse_event_type(text)
    if kind is not None:
        return kind
    if alone := of_harbor_alone(text):
        raise RequestInvalid(f"{alone} is never raised by this program.")
    raise RequestInvalid(f"{text!r} is none of {', '.join(EventType)}.")
