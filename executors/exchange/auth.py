"""Who is asking: credentials handed out (L1), and requests signed with them (L2)."""

import base64
import hashlib
import hmac
import uuid
from collections.abc import Mapping
from typing import Final

import msgspec

from executors.exchange.wallets import wallets_of
from executors.exchange.wire import Refusal, Request
from executors.protocol import Credentials, checksum_address, l2_signature, recover_l1
from ledger.errors import InvalidInputError

_L1_WRONG: Final = "Invalid L1 Request headers"
_L2_WRONG: Final = "Unauthorized/Invalid api key"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One API key: the address that asked for it, and its credentials."""

    address: str
    credentials: Credentials

    @property
    def api_key(self) -> str:
        """What the venue calls the owner of an order."""
        return self.credentials.api_key


class Accounts:
    """Every API key of one exchange.

    Keys follow from the seed, the address and the nonce: a second run gives the
    same ones.
    `tolerance_sec` is how far a client's clock may be off; none: as far as it likes.
    """

    def __init__(self, seed: int, tolerance_sec: float | None) -> None:
        self._seed = seed
        self._tolerance = tolerance_sec
        self._by_key: dict[str, Account] = {}
        self._wallets: dict[tuple[str, int], str] = {}

    def prove(self, headers: Mapping[str, str], now_sec: int) -> tuple[str, int]:
        """Check an L1 signature: the address that made it, and its nonce.

        Raises:
            Refusal: 401.
        """
        try:
            address = checksum_address(headers["poly_address"])
            stamp = int(headers["poly_timestamp"])
            nonce = int(headers["poly_nonce"])
            signature = headers["poly_signature"]
            signer = recover_l1(signature, address, stamp, nonce)
        except (KeyError, ValueError, OverflowError, InvalidInputError):
            raise Refusal(401, _L1_WRONG) from None
        if signer != address or not self._timely(stamp, now_sec):
            raise Refusal(401, _L1_WRONG)
        return address, nonce

    def create(self, address: str, nonce: int) -> Account:
        """Hand out credentials for the first time.

        Raises:
            Refusal: 400, there are some for this nonce.
        """
        account = self._derive(address, nonce)
        if account.api_key in self._by_key:
            raise Refusal(400, "Could not create api key")
        self._by_key[account.api_key] = account
        return account

    def derive(self, address: str, nonce: int) -> Account:
        """Hand out credentials again.

        Raises:
            Refusal: 400, there are none for this nonce.
        """
        account = self._by_key.get(self._derive(address, nonce).api_key)
        if account is None:
            raise Refusal(400, "Could not derive api key!")
        return account

    def forget(self, account: Account) -> None:
        """Take an API key back."""
        self._by_key.pop(account.api_key, None)

    def keys_of(self, address: str) -> list[str]:
        """The API keys of an address."""
        return [a.api_key for a in self._by_key.values() if a.address == address]

    def all_keys(self) -> list[Account]:
        """Every account, in the order of creation."""
        return list(self._by_key.values())

    def wallets_of(self, account: Account) -> set[str]:
        """Every wallet a key may trade for, in lower case."""
        shown = {
            w for (address, _), w in self._wallets.items() if address == account.address
        }
        return {wallet.lower() for wallet in (*shown, *wallets_of(account.address))}

    def named(self, credentials: Credentials) -> Account | None:
        """The account of a stream's subscription; `None` unless all three agree."""
        account = self._by_key.get(credentials.api_key)
        if account is None or account.credentials != credentials:
            return None
        return account

    def check(self, request: Request, now_sec: int) -> Account:
        """Check an L2 signature over exactly what was sent.

        Raises:
            Refusal: 401.
        """
        headers = request.headers
        account = self._by_key.get(headers.get("poly_api_key", ""))
        if account is None:
            raise Refusal(401, _L2_WRONG)
        passphrase = headers.get("poly_passphrase", "")
        if (
            headers.get("poly_address", "").lower() != account.address.lower()
            or not hmac.compare_digest(
                passphrase.encode(), account.credentials.passphrase.encode()
            )
            or not self._signed(request, account, now_sec)
        ):
            raise Refusal(401, _L2_WRONG)
        return account

    def _signed(self, request: Request, account: Account, now_sec: int) -> bool:
        try:
            stamp = int(request.headers["poly_timestamp"])
            wanted = l2_signature(
                account.credentials.secret,
                stamp,
                request.method,
                request.path,
                request.body.decode(),
            )
        except (KeyError, ValueError):
            return False
        given = request.headers.get("poly_signature", "")
        return self._timely(stamp, now_sec) and hmac.compare_digest(
            given.encode(), wanted.encode()
        )

    def bind(self, address: str, signature_type: int, wallet: str) -> None:
        """Remember the wallet that a key trades for, once it has shown it."""
        self._wallets[address, signature_type] = checksum_address(wallet)

    def wallet(self, address: str, signature_type: int) -> str:
        """The wallet that holds a key's money."""
        bound = self._wallets.get((address, signature_type))
        return bound or wallets_of(address)[signature_type]

    def _timely(self, stamp: int, now_sec: int) -> bool:
        return self._tolerance is None or abs(now_sec - stamp) <= self._tolerance

    def _derive(self, address: str, nonce: int) -> Account:
        base = hashlib.sha512(f"{self._seed}/{address}/{nonce}".encode()).digest()
        secret = hashlib.sha256(base).digest()
        return Account(
            address=address,
            credentials=Credentials(
                api_key=str(uuid.UUID(bytes=base[:16], version=4)),
                secret=base64.urlsafe_b64encode(secret).decode(),
                passphrase=base[16:48].hex(),
            ),
        )
