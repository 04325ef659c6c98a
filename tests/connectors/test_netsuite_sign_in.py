"""NetSuite's sign-in: the statement that is signed, and where it is sent."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tieout.connectors.kit.interface import AuthFailed
from tieout.connectors.netsuite.auth import signed
from tieout.connectors.netsuite.client import account_url
from tieout.sandbox.authority import make_private_key


def test_the_signed_statement_can_be_verified() -> None:
    """ES256: r and s of 32 bytes each over header and claims."""
    pem = make_private_key()
    head, claims, signature = signed({"iss": "c"}, pem, "k").split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    key.public_key().verify(der, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {"alg": "ES256", "typ": "JWT", "kid": "k"}
    with pytest.raises(AuthFailed):
        signed({}, "no key", "k")


def test_the_address_of_an_account() -> None:
    """Sandbox accounts have `_` in the name and `-` in the host."""
    assert account_url("1234567_SB1") == "https://1234567-sb1.suitetalk.api.netsuite.com"
