"""Requests prove who sends them."""

from typing import Any

import msgspec
import pytest

from executors.protocol import (
    Credentials,
    l1_headers,
    l2_headers,
    l2_signature,
    recover_l1,
    sign_l1,
)
from ledger.errors import InvalidInputError
from tests.unit.protocol.kit import KEY, OTHER_KEY, vectors

NOW = 1_795_351_965


class TestSecondLevel:
    @pytest.mark.parametrize("vector", vectors("vectors_hmac.json"))
    def test_equals_the_clients_signatures(self, vector: dict[str, Any]) -> None:
        """Every private request of every client carries one."""
        signature = l2_signature(
            vector["secret"],
            vector["timestamp"],
            vector["method"],
            vector["path"],
            vector["body"] or "",
        )
        assert signature == vector["POLY_SIGNATURE"]

    def test_needs_no_padding_in_the_secret(self) -> None:
        """Some secrets are handed out without it."""
        padded = l2_signature("YWI=", NOW, "GET", "/time")
        assert l2_signature("YWI", NOW, "GET", "/time") == padded

    def test_reads_the_url_safe_alphabet(self) -> None:
        """A secret may hold - and _, which plain base64 has not."""
        assert l2_signature("-_-_", NOW, "GET", "/") != l2_signature(
            "AAAA", NOW, "GET", "/"
        )

    @pytest.mark.parametrize("secret", ["", "a", "!!!!"])
    def test_refuses_a_secret_that_is_none(self, secret: str) -> None:
        """An empty key would sign everything and prove nothing."""
        with pytest.raises(InvalidInputError) as caught:
            l2_signature(secret, NOW, "GET", "/")
        assert caught.value.field == "secret"
        assert caught.value.__context__ is None

    def test_headers_are_the_five_of_the_venue(self) -> None:
        """Names and spelling are the venue's."""
        credentials = Credentials(api_key="k", secret="YWI=", passphrase="p")
        headers = l2_headers(
            credentials, KEY.address, NOW, method="POST", path="/order", body="{}"
        )
        assert headers == {
            "POLY_ADDRESS": KEY.address,
            "POLY_API_KEY": "k",
            "POLY_PASSPHRASE": "p",
            "POLY_SIGNATURE": l2_signature("YWI=", NOW, "POST", "/order", "{}"),
            "POLY_TIMESTAMP": str(NOW),
        }

    def test_credentials_travel_in_the_venues_spelling(self) -> None:
        """It is what both ends of `/auth/api-key` write and read."""
        body = b'{"apiKey":"k","secret":"YWI=","passphrase":"p"}'
        credentials = msgspec.json.decode(body, type=Credentials)
        assert credentials.api_key == "k"
        assert msgspec.json.encode(credentials) == body


class TestFirstLevel:
    def test_proves_the_address(self) -> None:
        """It is how an account gets its credentials."""
        signature = sign_l1(KEY, NOW, 3)
        assert recover_l1(signature, KEY.address, NOW, 3) == KEY.address

    @pytest.mark.parametrize(("seconds", "nonce"), [(1, 3), (0, 4)])
    def test_is_bound_to_time_and_nonce(self, seconds: int, nonce: int) -> None:
        """An old proof must not open the account again."""
        signature = sign_l1(KEY, NOW, 3)
        assert recover_l1(signature, KEY.address, NOW + seconds, nonce) != KEY.address

    def test_is_bound_to_the_address_it_names(self) -> None:
        """One account must not take out another's credentials."""
        found = recover_l1(sign_l1(KEY, NOW), OTHER_KEY.address, NOW)
        assert found != OTHER_KEY.address

    @pytest.mark.parametrize("signature", ["", "0x", "0xzz", "0x" + "00" * 65])
    def test_refuses_what_is_no_signature(self, signature: str) -> None:
        """A refusal, not a crash."""
        with pytest.raises(InvalidInputError, match="signature"):
            recover_l1(signature, KEY.address, NOW)

    @pytest.mark.parametrize(
        ("address", "nonce", "field"),
        [
            ("0x12", 0, "address"),
            ("0x" + "z" * 40, 0, "address"),
            ("", 0, "address"),
            (KEY.address, -1, "nonce"),
            (KEY.address, 1 << 256, "nonce"),
        ],
    )
    def test_refuses_a_proof_of_nothing(
        self, address: str, nonce: int, field: str
    ) -> None:
        """Headers of a request say anything."""
        with pytest.raises(InvalidInputError) as caught:
            recover_l1(sign_l1(KEY, NOW), address, NOW, nonce)
        assert caught.value.field == field

    def test_headers_are_the_four_of_the_venue(self) -> None:
        """Names and spelling are the venue's."""
        assert l1_headers(KEY, NOW) == {
            "POLY_ADDRESS": KEY.address,
            "POLY_NONCE": "0",
            "POLY_SIGNATURE": sign_l1(KEY, NOW),
            "POLY_TIMESTAMP": str(NOW),
        }
