"""A token server as registries expect it (RS256, certificate in the x5c header), with real user checks.

Anyone may pull; a user who gives the right password gets every action asked for; a wrong password is 401.
Source: distribution, docs/content/spec/auth/token.md and oauth.md.
"""

import base64
import json
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests.support.certificates import write_certificate
from tests.support.receiver import Double

SERVICE = "test-registry"
ISSUER = "test-issuer"
LIFETIME_S = 300


class TokenServer(Double):
    def __init__(self, folder: Path, users: Mapping[str, str]) -> None:
        self._certificate = write_certificate(folder)
        self._users = users

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/token", self._get)
        application.router.add_post("/token", self._post)
        return application

    @property
    def realm(self) -> str:
        # A name: go-containerregistry refuses a realm that is a loopback address.
        return f"http://localhost:{self._server.port}/token"

    @property
    def registry_settings(self) -> dict[str, str]:
        """The section auth.token of a registry's configuration."""
        bundle = str(self._certificate.path)
        return {"realm": self.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": bundle}

    async def _get(self, request: web.Request) -> web.Response:
        encoded = request.headers.get("Authorization", "").removeprefix("Basic ")
        user, _, password = base64.b64decode(encoded).decode().partition(":")
        return self._answer(user, password, request.query.getall("scope", []))

    async def _post(self, request: web.Request) -> web.Response:
        form = parse_qs(await request.text())
        user, password = (form.get(name, [""])[0] for name in ("username", "password"))
        return self._answer(user, password, form.get("scope", []))

    def _answer(self, user: str, password: str, scopes: list[str]) -> web.Response:
        if user and self._users.get(user) != password:
            return web.json_response({"errors": [{"code": "UNAUTHORIZED"}]}, status=401)
        granted = [_grant(scope, is_known=bool(user)) for joined in scopes for scope in joined.split()]
        token = self.sign(user, granted)
        issued_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return web.json_response(
            {"token": token, "access_token": token, "expires_in": LIFETIME_S, "issued_at": issued_at}
        )

    def sign(self, user: str, access: list[dict[str, Any]]) -> str:
        now = int(time.time())
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(self._certificate.der).decode()]}
        claims = {
            "iss": ISSUER,
            "sub": user,
            "aud": SERVICE,
            "exp": now + LIFETIME_S,
            "nbf": now - 10,
            "iat": now,
            "jti": str(uuid.uuid4()),
            "access": access,
        }
        signed = f"{_encode(json.dumps(header).encode())}.{_encode(json.dumps(claims).encode())}"
        signature = self._certificate.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encode(signature)}"


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _grant(scope: str, *, is_known: bool) -> dict[str, Any]:
    kind, name, actions = (
        scope.split(":", 1)[0],
        scope.split(":", 1)[1].rsplit(":", 1)[0],
        scope.rsplit(":", 1)[1],
    )
    asked = set(actions.split(","))
    if "*" in asked:
        asked |= {"pull", "push", "delete"}
    return {"type": kind, "name": name, "actions": sorted(asked if is_known else asked & {"pull"})}
