"""What the live executor needs of a venue's client, whichever one it is."""

from typing import Protocol

import msgspec

from executors.polymarket.settings import WalletKind
from executors.protocol import Credentials, WireOrder, WireOrderV1

AnyOrder = WireOrder | WireOrderV1


class WalletInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Who trades: `address` holds the money, the key of `signer` signs.

    Requests are authenticated as `signer`.
    """

    kind: WalletKind
    address: str
    signer: str

    @property
    def order_signer(self) -> str:
        """What an order names as its signer: a deposit wallet names itself."""
        return self.address if self.kind is WalletKind.DEPOSIT else self.signer


class OrderTerms(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is to be signed, apart from the wallet.

    Amounts are base units (10^-6), `side` is BUY or SELL, `salt` has at most 53
    bits, `expiration` is in Unix seconds (0: none).
    `fee_rate_bps` is signed in protocol 1 only.
    """

    token_id: str
    side: str
    maker_amount: int
    taker_amount: int
    salt: int
    timestamp_ms: int
    expiration: int = 0
    fee_rate_bps: int = 0


class VenueClient(Protocol):
    """Credentials, the wallet's kind and signatures; nothing else of a client."""

    def wallet(self) -> WalletInfo:
        """The wallet that trades; its first call may take seconds (an import).

        Raises:
            VenueRejectedError: the wallet is not of the kind it is said to be
                (code wallet_kind), or the client signs otherwise than we do
                (code signature_mismatch).
        """
        ...

    async def credentials(self) -> Credentials:
        """The account's credentials: as configured, else created or derived.

        Raises:
            VenueRejectedError: the venue refused (code credentials).
            OutcomeUnknownError: the venue did not answer, or not in JSON.
        """
        ...

    def draft(self, terms: OrderTerms) -> AnyOrder:
        """Fill in the wallet: the order without its signature.

        Raises:
            VenueRejectedError: as for `wallet`.
        """
        ...

    def sign(self, order: AnyOrder, neg_risk: bool) -> AnyOrder:  # noqa: FBT001 -- the market's flag
        """Sign an order of this client's protocol, deterministically.

        Thread-safe; takes well under a millisecond.

        Raises:
            PreparationError: the order is of another protocol, or names another
                wallet.
        """
        ...
