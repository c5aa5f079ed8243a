"""The venue's id of an order is known before it is sent."""

from typing import Any

import pytest
from msgspec.structs import replace

from executors.protocol import (
    EXCHANGE_V1,
    EXCHANGE_V3,
    WireOrderV1,
    candidate_domains,
    domain_of,
    is_position_id,
    order_id,
    order_id_v1,
)
from tests.unit.protocol.kit import (
    POSITION,
    TOKEN,
    order,
    order_of,
    order_v1,
    shared_vectors,
    vectors,
)

HASHES = vectors("vectors_order_hash.json")


class TestIds:
    @pytest.mark.parametrize(
        "vector", HASHES["vectors"], ids=[v["name"] for v in HASHES["vectors"]]
    )
    def test_equal_the_published_ones(self, vector: dict[str, Any]) -> None:
        """A wrong id would make every lost answer a mystery."""
        signed = order_of(vector["order"])
        domain = domain_of(signed, vector["neg_risk"])
        assert domain.exchange == vector["verifyingContract"]
        assert domain.version == vector["domainVersion"]
        assert order_id(signed, *domain) == vector["orderHash"]

    def test_equal_the_published_one_of_protocol_1(self) -> None:
        """Old recordings and old clients still name orders so."""
        reference = HASHES["v1_for_reference"]
        fields = reference["order"]
        old = WireOrderV1(
            salt=fields["salt"],
            maker=fields["maker"],
            signer=fields["signer"],
            taker=fields["taker"],
            token_id=fields["tokenId"],
            maker_amount=int(fields["makerAmount"]),
            taker_amount=int(fields["takerAmount"]),
            side=fields["side"],
            signature_type=fields["signatureType"],
        )
        assert order_id_v1(old) == reference["orderHash"]
        assert order_id(old, EXCHANGE_V1, "1") == reference["orderHash"]

    def test_our_copy_of_the_vectors_is_the_reference(self) -> None:
        """A copy that drifted would prove nothing."""
        for name in ("order_hash", "order_amounts", "hmac"):
            file = f"vectors_{name}.json"
            assert vectors(file) == shared_vectors(file)

    @pytest.mark.parametrize(
        "change",
        [
            {"salt": 1},
            {"maker": "0x" + "2" * 40},
            {"signer": "0x" + "2" * 40},
            {"token_id": "5"},
            {"maker_amount": 1},
            {"taker_amount": 1},
            {"side": "SELL"},
            {"signature_type": 2},
            {"timestamp": 1},
            {"metadata": "0x" + "01" * 32},
            {"builder": "0x" + "01" * 32},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_depend_on_every_signed_field(self, change: dict[str, Any]) -> None:
        """Two orders that differ must never share a name."""
        domain = domain_of(order(), neg_risk=False)
        changed = replace(order(), **change)
        assert order_id(changed, *domain) != order_id(order(), *domain)

    @pytest.mark.parametrize("change", [{"expiration": 9}, {"signature": "0x00"}])
    def test_do_not_depend_on_what_is_not_signed(self, change: dict[str, Any]) -> None:
        """Posting one signed order with another lifetime is a duplicate."""
        domain = domain_of(order(), neg_risk=False)
        changed = replace(order(), **change)
        assert order_id(changed, *domain) == order_id(order(), *domain)

    @pytest.mark.parametrize("change", [{"nonce": 1}, {"fee_rate_bps": 7}])
    def test_of_protocol_1_depend_on_nonce_and_fee(
        self, change: dict[str, Any]
    ) -> None:
        """They are signed there, unlike today."""
        assert order_id_v1(replace(order_v1(), **change)) != order_id_v1(order_v1())


class TestDomains:
    def test_position_ids_trade_on_the_third_exchange(self) -> None:
        """The market's neg-risk flag says nothing there."""
        on_v3 = order(token_id=POSITION)
        assert [domain.exchange for domain in candidate_domains(on_v3)] == [EXCHANGE_V3]
        assert domain_of(on_v3, neg_risk=True) == domain_of(on_v3, neg_risk=False)

    @pytest.mark.parametrize(
        ("token", "is_position"),
        [
            (POSITION, True),
            (TOKEN, False),
            (str(1 << 39), True),
            (str(1 << 40), False),
            (str(1 << 103), False),
            (str(1 << 104), True),
            ("x", False),
            ("", False),
        ],
    )
    def test_kind_of_asset(self, token: str, is_position: bool) -> None:
        """One mask tells them apart, and junk is no position."""
        assert is_position_id(token) is is_position

    def test_each_flavour_is_its_own_domain(self) -> None:
        """A signature must not be good for another exchange."""
        domains = {*candidate_domains(order()), *candidate_domains(order_v1())}
        domains |= set(candidate_domains(order(token_id=POSITION)))
        assert len({domain.exchange for domain in domains}) == 5
