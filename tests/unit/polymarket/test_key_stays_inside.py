"""A private key goes in, and comes out nowhere."""

import copy
import logging
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from executors.polymarket.clients.v1 import _StandIn
from executors.polymarket.settings import WalletKind
from executors.protocol import Credentials
from ledger.errors import LedgerError
from tests.unit.polymarket.kit import CANARY, KEY, official, terms, v1

SECRET = "Y2FuYXJ5LXNlY3JldA=="
MINE = Credentials(api_key="canary-key", secret=SECRET, passphrase="canary-pass")
LEAKS = (CANARY, CANARY.upper(), str(int(CANARY, 16)), SECRET, "canary-")


def everything_in(value: object, depth: int = 4) -> str:
    """Text of an object and of all that hangs on it, as a crash reporter sees it."""
    text = f"{value!r} {value!s}"
    if depth and hasattr(value, "__dict__"):
        text += repr(vars(value))
        text += "".join(everything_in(part, depth - 1) for part in vars(value).values())
    is_open = isinstance(value, Credentials)  # its fields are there to be read
    for slot in () if is_open or not depth else getattr(value, "__slots__", ()):
        text += everything_in(getattr(value, slot, None), depth - 1)
    return text


def is_clean(text: str) -> bool:
    """Whether nothing secret is in it."""
    return not any(leak.lower() in text.lower() for leak in LEAKS)


@pytest.mark.parametrize("build", [official, v1])
class TestClients:
    def test_show_nothing(self, build: Callable[..., Any]) -> None:
        """Also after use, with everything cached."""
        client = build(credentials=MINE)
        client.sign(client.draft(terms()), neg_risk=False)
        assert is_clean(everything_in(client))

    @pytest.mark.parametrize("copied", [pickle.dumps, copy.deepcopy])
    def test_cannot_be_copied(
        self, build: Callable[..., Any], copied: Callable[[object], object]
    ) -> None:
        """A pickle in a queue or on a disk is a leak."""
        with pytest.raises(TypeError, match="never copied"):
            copied(build())

    async def test_errors_say_nothing(
        self, build: Callable[..., Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        """Errors are logged, and the variables of every frame with them."""
        caplog.set_level(logging.DEBUG)
        with pytest.raises(LedgerError) as refused:
            build(WalletKind.SAFE, funder="").wallet()
        with pytest.raises(LedgerError) as unanswered:
            await build().credentials()
        for caught in (refused, unanswered):
            report = traceback.TracebackException.from_exception(
                caught.value, capture_locals=True
            )
            assert is_clean("".join(report.format()))
        assert is_clean(caplog.text)

    async def test_the_network_libraries_are_kept_quiet(
        self, build: Callable[..., Any]
    ) -> None:
        """One of them prints headers at DEBUG, and signatures are among them."""
        logging.getLogger("hpack").setLevel(logging.DEBUG)
        with pytest.raises(LedgerError):
            await build().credentials()
        assert not logging.getLogger("hpack.hpack").isEnabledFor(logging.INFO)

    def test_a_key_pasted_into_the_wrong_place_is_not_repeated(
        self, build: Callable[..., Any]
    ) -> None:
        """Both are hexadecimal; it will happen."""
        for funder in (CANARY, f"0x{CANARY}"):
            with pytest.raises(LedgerError) as caught:
                build(WalletKind.SAFE, funder=funder).wallet()
            assert is_clean(f"{caught.value} {caught.value!r}")


def test_the_stand_in_that_the_old_client_signs_with_shows_nothing() -> None:
    """The client keeps its signer, and prints what it likes."""
    assert is_clean(everything_in(_StandIn(KEY)))


def test_the_search_finds_a_leak() -> None:
    """A search that finds nothing proves nothing."""

    class Leaky:
        def __init__(self) -> None:
            self.inner = type("Inner", (), {"__slots__": ("key",)})()
            self.inner.key = CANARY

    assert not is_clean(everything_in(Leaky()))
