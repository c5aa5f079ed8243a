"""A private key signs, and cannot be read back."""

import copy
import pickle
import traceback

import pytest

from executors.protocol import Credentials, SigningKey, recover_address
from ledger.errors import InvalidInputError

CANARY = "deadc0de" * 8
SECRETS = {"api_key": "canary-key", "secret": "Y2FuYXJ5", "passphrase": "canary-pass"}


class TestSigningKey:
    def test_knows_its_address(self) -> None:
        """The well-known address of the private key 1."""
        key = SigningKey("0x" + "1".zfill(64))
        assert key.address == "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"

    def test_signs_for_that_address(self) -> None:
        """A signature names its signer."""
        key = SigningKey(CANARY)
        digest = bytes(range(32))
        assert recover_address(digest, key.sign_digest(digest)) == key.address

    def test_shows_itself_nowhere(self) -> None:
        """Logs and crash reports print objects."""
        key = SigningKey(CANARY)
        for text in (repr(key), str(key), f"{key}", f"{key!r:>200}", repr([key])):
            assert CANARY not in text
            assert key.address in text
        with pytest.raises(TypeError):
            vars(key)

    @pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
    def test_cannot_be_copied(self, copied: object) -> None:
        """A pickle on a disk or in a queue is a leak."""
        assert callable(copied)
        with pytest.raises(TypeError, match="never copied"):
            copied(SigningKey(CANARY))

    @pytest.mark.parametrize(
        "text",
        [
            CANARY + "00",
            CANARY[:-1],
            CANARY[:-2],
            "0X" + CANARY,
            "x" + CANARY[1:],
            CANARY + "\n",
        ],
    )
    def test_errors_do_not_repeat_it(self, text: str) -> None:
        """A typo in a key is no reason to print it."""
        with pytest.raises(InvalidInputError) as caught:
            SigningKey(text)
        report = "".join(traceback.format_exception(caught.value))
        assert CANARY[1:-2] not in report
        assert caught.value.__context__ is None

    @pytest.mark.parametrize("text", ["0" * 64, "f" * 64])
    def test_refuses_numbers_that_are_no_key(self, text: str) -> None:
        """Zero and what lies above the curve's order sign nothing."""
        with pytest.raises(InvalidInputError, match="private_key"):
            SigningKey(text)


class TestCredentials:
    def test_show_nothing(self) -> None:
        """The secret signs requests, the key names the account."""
        credentials = Credentials(**SECRETS)
        for text in (repr(credentials), str(credentials)):
            assert not any(secret in text for secret in SECRETS.values())

    def test_cannot_be_copied(self) -> None:
        """A pickle on a disk or in a queue is a leak."""
        with pytest.raises(TypeError, match="never copied"):
            pickle.dumps(Credentials(**SECRETS))
