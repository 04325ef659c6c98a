"""Sign-in with a certificate: a short signed statement is exchanged for an access token of 60 minutes."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tieout.connectors.kit.families.rest import Grant, oauth_token, secret
from tieout.connectors.kit.http import Http
from tieout.connectors.kit.interface import AuthFailed

TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def sign_in(http: Http, secrets: Mapping[str, str]) -> Grant:
    """A fresh access token (OAuth 2.0 client credentials, JWT signed with ES256)."""
    audience = f"https://{http.place.authority}{TOKEN_PATH}"
    now = int(time.time())
    claims = {
        "iss": secret(secrets, "client_id"), "scope": ["rest_webservices"], "aud": audience, "iat": now, "exp": now + 300
    }  # fmt: skip
    assertion = signed(claims, secret(secrets, "private_key_pem"), secret(secrets, "certificate_id"))
    form = {
        "grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": assertion
    }  # fmt: skip
    return Grant(oauth_token(http, TOKEN_PATH, form)["access_token"], http)


def signed(claims: Mapping[str, Any], private_key_pem: str, key_id: str) -> str:
    """A JWT in its compact form, ES256."""
    try:
        key = serialization.load_pem_private_key(private_key_pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise AuthFailed("the private key of the certificate cannot be read", "private-key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise AuthFailed("the private key must be one of the curve P-256", "private-key")
    header = {"alg": "ES256", "typ": "JWT", "kid": key_id}
    unsigned = b".".join(_part(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    r, s = decode_dss_signature(key.sign(unsigned, ec.ECDSA(hashes.SHA256())))
    return (unsigned + b"." + _part(r.to_bytes(32, "big") + s.to_bytes(32, "big"))).decode()


def _part(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
