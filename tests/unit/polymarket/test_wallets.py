"""A wallet is what its owner says it is, or nothing is traded."""

import pytest

from executors.polymarket.settings import WalletKind
from ledger.errors import VenueRejectedError
from tests.unit.polymarket.kit import KEY, official, v1, wallet_address

EOA, PROXY, SAFE, DEPOSIT = WalletKind
STRANGER = "0x1111111111111111111111111111111111111111"


def refusal(client: object) -> VenueRejectedError:
    """Why the wallet is refused."""
    assert hasattr(client, "wallet")
    with pytest.raises(VenueRejectedError) as caught:
        client.wallet()
    return caught.value


class TestOfficialClient:
    @pytest.mark.parametrize("kind", WalletKind)
    def test_failure_mode_20_orders_name_the_signer_that_the_venue_expects(
        self, kind: WalletKind
    ) -> None:
        """It refuses "the order signer address has to be the address of the API KEY"."""
        wallet = official(kind).wallet()
        assert wallet.kind is kind
        assert wallet.address == wallet_address(kind)
        assert wallet.signer == KEY.address
        own = wallet.address if kind is DEPOSIT else KEY.address
        assert wallet.order_signer == own

    def test_an_eoa_needs_no_address(self) -> None:
        """It is the key's own."""
        assert official(EOA, funder="").wallet().address == KEY.address

    @pytest.mark.parametrize("kind", [PROXY, SAFE, DEPOSIT])
    def test_any_other_kind_without_its_address_is_refused(
        self, kind: WalletKind
    ) -> None:
        """Clients fill in the key's own address, which holds no money."""
        refused = refusal(official(kind, funder=""))
        assert refused.code == "wallet_kind"
        assert "funder" in str(refused)

    @pytest.mark.parametrize(
        ("said", "meant"),
        [(said, meant) for said in WalletKind for meant in WalletKind if said != meant],
    )
    def test_failure_mode_21_a_wallet_of_another_kind_is_refused(
        self, said: WalletKind, meant: WalletKind
    ) -> None:
        """The venue would refuse each order, or read another balance."""
        refused = refusal(official(said, funder=wallet_address(meant)))
        assert refused.code == "wallet_kind"
        assert f"type {said.value}" in str(refused) or f"not {said.value}" in str(
            refused
        )

    @pytest.mark.parametrize("kind", [PROXY, SAFE, DEPOSIT])
    def test_a_wallet_of_another_key_is_refused(self, kind: WalletKind) -> None:
        """The client silently takes it for a deposit wallet with a session key."""
        refused = refusal(official(kind, funder=STRANGER))
        assert refused.code == "wallet_kind"
        assert "session key" in str(refused)

    @pytest.mark.parametrize("funder", ["0x12", "me", "0x" + "g" * 40])
    def test_what_is_no_address_is_refused(self, funder: str) -> None:
        """Before anything hashes it."""
        assert "hexadecimal" in str(refusal(official(SAFE, funder=funder)))

    def test_addresses_are_compared_without_case(self) -> None:
        """Owners paste them in any spelling."""
        funder = wallet_address(SAFE).lower()
        assert official(SAFE, funder=funder).wallet().address == wallet_address(SAFE)


class TestClientV1:
    @pytest.mark.parametrize("kind", [EOA, PROXY, SAFE])
    def test_names_maker_and_signer(self, kind: WalletKind) -> None:
        """The key signs for all three."""
        wallet = v1(kind).wallet()
        assert (wallet.address, wallet.order_signer) == (
            wallet_address(kind),
            KEY.address,
        )

    @pytest.mark.parametrize(
        ("kind", "funder"),
        [
            (SAFE, ""),
            (PROXY, ""),
            (SAFE, KEY.address),
            (EOA, STRANGER),
            (DEPOSIT, STRANGER),
        ],
    )
    def test_wrong_kinds_are_refused(self, kind: WalletKind, funder: str) -> None:
        """This client checks nothing itself: type 2 without funder signs for nobody."""
        assert refusal(v1(kind, funder=funder)).code == "wallet_kind"

    @pytest.mark.parametrize(
        "rest_url",
        [
            "https://clob.polymarket.com",
            "https://CLOB.Polymarket.com:443/",
            "https://clob.polymarket.com.",
            "https://user@clob-staging.polymarket.com/x",
            "http://polymarket.com",
        ],
    )
    def test_is_refused_for_the_production_venue(self, rest_url: str) -> None:
        """Every order would come back with order_version_mismatch."""
        with pytest.raises(VenueRejectedError, match="2026-04-28") as caught:
            v1(rest_url=rest_url)
        assert caught.value.code == "v1_refused"

    @pytest.mark.parametrize(
        "rest_url", ["http://127.0.0.1:1", "http://notpolymarket.com", "http://[::1]:1"]
    )
    def test_is_allowed_elsewhere(self, rest_url: str) -> None:
        """Such as at the local exchange."""
        assert v1(rest_url=rest_url).wallet().signer == KEY.address
