"""Logs in to a registry for the sidecar's own requests: with Basic, or with a token where it asks for one.

Source: distribution docs/content/spec/auth/token.md; the scope is the one the registry names.
"""

import re
from collections.abc import Generator

import httpx

from sidecar.model.secrets import Secret

_PARAMETER = re.compile(r'([a-z_]+)="([^"]*)"')


class RegistryAuth(httpx.Auth):
    """Answers a registry's challenge once; without a user name it fetches an anonymous token."""

    requires_response_body = True

    def __init__(self, username: str, password: Secret) -> None:
        self._basic = httpx.BasicAuth(username, password.reveal()) if username else None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        response = yield request
        challenge = response.headers.get("WWW-Authenticate", "")
        if response.status_code != 401:
            return
        if challenge.lower().startswith("bearer "):
            answer = yield self._token_request(challenge)
            token = _token(answer)
            if token:
                request.headers["Authorization"] = f"Bearer {token}"
                yield request
        elif self._basic is not None:
            yield self._logged_in(request)

    def _token_request(self, challenge: str) -> httpx.Request:
        parameters = dict(_PARAMETER.findall(challenge))
        realm = parameters.pop("realm", "")
        wanted = {name: parameters[name] for name in ("service", "scope") if name in parameters}
        return self._logged_in(httpx.Request("GET", realm, params=wanted))

    def _logged_in(self, request: httpx.Request) -> httpx.Request:
        return next(self._basic.auth_flow(request)) if self._basic else request


def _token(answer: httpx.Response) -> str:
    if answer.status_code != 200:
        return ""
    try:
        document = answer.json()
    except ValueError:
        return ""
    token = document.get("token") or document.get("access_token") if isinstance(document, dict) else ""
    return token if isinstance(token, str) else ""
