"""Signatures prove the wallet, for every kind there is."""

import itertools

import pytest
from eth_abi.abi import encode
from msgspec.structs import replace

from executors.protocol import (
    SigningKey,
    WireOrder,
    candidate_domains,
    checksum_address,
    domain_of,
    recover_signer,
    sign,
    signed_domain,
)
from ledger.errors import InvalidInputError
from tests.unit.protocol.kit import (
    KEY,
    OTHER_KEY,
    POSITION,
    order,
    order_of,
    order_v1,
    vectors,
)

KINDS = (0, 1, 2, 3)


def in_session(signed: WireOrder, key: SigningKey) -> WireOrder:
    """The signature as a session key of a deposit wallet sends it."""
    wrapped = encode(
        ["bytes32", "bytes32", "bytes"],
        [
            bytes.fromhex(key.address[2:]).rjust(32, b"\0"),
            bytes(32),
            bytes.fromhex(signed.signature[2:]),
        ],
    )
    return replace(signed, signature=f"0x{wrapped.hex()}{'6492' * 16}")


class TestRecovery:
    @pytest.mark.parametrize(
        ("kind", "neg_risk", "token"),
        [*itertools.product(KINDS, (False, True), (None, POSITION))],
    )
    def test_finds_the_key_that_signed(
        self, kind: int, neg_risk: bool, token: str | None
    ) -> None:
        """It is how the exchange knows an order is genuine."""
        plain = order(kind, **({"token_id": token} if token else {}))
        domain = domain_of(plain, neg_risk)
        signed = sign(plain, KEY, *domain)
        assert recover_signer(signed, *domain) == KEY.address
        assert signed_domain(signed, KEY.address) == domain
        assert signed_domain(signed, OTHER_KEY.address) is None

    @pytest.mark.parametrize("kind", KINDS)
    def test_fails_for_an_order_that_was_changed(self, kind: int) -> None:
        """Nobody may alter a price on the way."""
        domain = domain_of(order(kind), neg_risk=False)
        changed = replace(sign(order(kind), KEY, *domain), maker_amount=1)
        assert signed_domain(changed, KEY.address) is None

    @pytest.mark.parametrize("kind", KINDS)
    def test_fails_for_another_exchange(self, kind: int) -> None:
        """An order for a neg-risk market says nothing of a standard one."""
        standard, neg_risk = candidate_domains(order(kind))
        signed = sign(order(kind), KEY, *standard)
        assert signed_domain(signed, KEY.address) == standard
        try:
            found = recover_signer(signed, *neg_risk)
        except InvalidInputError:
            found = ""
        assert found != KEY.address

    def test_works_for_protocol_1(self) -> None:
        """The exchange can play the venue of old."""
        for neg_risk in (False, True):
            domain = domain_of(order_v1(2), neg_risk)
            signed = sign(order_v1(2), KEY, *domain)
            assert signed_domain(signed, KEY.address) == domain

    def test_finds_the_session_key_of_a_deposit_wallet(self) -> None:
        """The client wraps what such a key signs once more."""
        domain = domain_of(order(3), neg_risk=False)
        signed = in_session(sign(order(3), OTHER_KEY, *domain), OTHER_KEY)
        assert recover_signer(signed, *domain) == OTHER_KEY.address

    def test_refuses_a_session_key_that_signed_for_another(self) -> None:
        """The name on the wrapper must be the one inside."""
        domain = domain_of(order(3), neg_risk=False)
        signed = in_session(sign(order(3), OTHER_KEY, *domain), KEY)
        with pytest.raises(InvalidInputError, match="session key"):
            recover_signer(signed, *domain)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize(
        "signature",
        [
            "",
            "0x",
            "0xzz",
            "0x00",
            "0x" + "00" * 65,
            "0x" + "ff" * 64 + "1b",
            "0x" + "01" * 64 + "1d",
            "0x" + "6492" * 16,
            "0x" + "ff" * 200 + "6492" * 16,
        ],
    )
    def test_refuses_malformed_signatures(self, kind: int, signature: str) -> None:
        """Whatever comes over the wire, the answer is a refusal, not a crash."""
        domain = domain_of(order(kind), neg_risk=False)
        with pytest.raises(InvalidInputError, match="signature"):
            recover_signer(order(kind, signature=signature), *domain)

    @pytest.mark.parametrize("place", [66, 97, 98, 129, 130, 315, 317])
    def test_refuses_a_wrapper_that_describes_something_else(self, place: int) -> None:
        """The wallet's contract hashes the wrapper: one wrong byte fails on chain."""
        domain = domain_of(order(3), neg_risk=False)
        signature = bytearray.fromhex(sign(order(3), KEY, *domain).signature[2:])
        signature[place - 1] ^= 1
        changed = order(3, signature=f"0x{signature.hex()}")
        with pytest.raises(InvalidInputError, match="wraps another"):
            recover_signer(changed, *domain)

    @pytest.mark.parametrize("bit", [0, 1, 2, 26, 29, 255])
    def test_refuses_other_recovery_bits_than_the_chain_does(self, bit: int) -> None:
        """What only we accept would fail when it settles."""
        domain = domain_of(order(), neg_risk=False)
        signed = sign(order(), KEY, *domain)
        changed = replace(signed, signature=f"{signed.signature[:-2]}{bit:02x}")
        with pytest.raises(InvalidInputError, match="signature"):
            recover_signer(changed, *domain)


class TestSigning:
    def test_equals_a_signature_of_the_venues_client(self) -> None:
        """The body was written by the client for an order of this key's owner."""
        body = vectors("post_order_request.json")["order"]
        posted = replace(order_of(body), signature=body["signature"])
        domain = signed_domain(posted, posted.signer)
        assert domain is not None
        assert recover_signer(posted, *domain) == posted.signer

    def test_is_deterministic(self) -> None:
        """Replaying a run must give the same bytes."""
        domain = domain_of(order(), neg_risk=False)
        assert sign(order(), KEY, *domain) == sign(order(), KEY, *domain)


class TestChecksum:
    @pytest.mark.parametrize(
        "address",
        [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ],
    )
    def test_equals_the_examples_of_the_standard(self, address: str) -> None:
        """EIP-55; the venue's clients send addresses in this spelling."""
        assert checksum_address(address.lower()) == address

    @pytest.mark.parametrize("text", ["", "0x", "0x12", "1" * 42, "0x" + "g" * 40])
    def test_refuses_what_is_no_address(self, text: str) -> None:
        """A short address would hash to something all the same."""
        with pytest.raises(InvalidInputError, match="address"):
            checksum_address(text)
