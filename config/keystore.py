"""Opens an encrypted key file, so that no key need lie readable on a disk."""

import json
from pathlib import Path

from pydantic import SecretStr

from config.errors import ConfigProblem, KeystoreError
from config.settings import Polymarket
from config.sources import variable


def signing_key(polymarket: Polymarket) -> SecretStr | None:
    """Return the key that signs orders, decrypting the keystore if one is named.

    Decryption takes about a second by design, so only what signs should ask.

    Returns:
        64 hexadecimal digits, perhaps after `0x`; None when no key is configured.

    Raises:
        KeystoreError: The file cannot be read, is open to other users, or the
            password does not open it.

    Source:
        Web3 Secret Storage, as `eth_keyfile` 0.8 reads it.
    """
    path = polymarket.keystore_path
    if polymarket.private_key is not None or path is None:
        return polymarket.private_key
    if polymarket.keystore_password is None:
        name = variable(("polymarket", "keystore_password"))
        problem = f"needs a password; set {name} or {name}_FILE"
        raise _failure(problem)
    password = polymarket.keystore_password.get_secret_value()
    _refuse_shared(path)
    # Raised outside the handlers: a chained error could carry what was decrypted.
    try:
        return SecretStr(_decrypted(path, password))
    except OSError as error:
        problem = f"cannot be read from {path}: {error.strerror}"
    except ImportError:
        problem = "needs the package eth-keyfile; install requirements/core.txt"
    except (ValueError, TypeError, KeyError, NotImplementedError):
        problem = f"{path} is no keystore that this password opens"
    raise _failure(problem)


def _refuse_shared(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # reading it says what is wrong
    if mode & 0o077:
        problem = f"{path} is open to other users; run chmod 600 on it"
        raise _failure(problem)


def _decrypted(path: Path, password: str) -> str:
    from eth_keyfile.keyfile import decode_keyfile_json

    stored = json.loads(path.read_bytes())
    if not isinstance(stored, dict):
        msg = "must be a JSON object"
        raise TypeError(msg)
    # The hint says text, but of its two key derivations one takes bytes only.
    return decode_keyfile_json(stored, password.encode()).hex()  # type: ignore[arg-type]


def _failure(message: str) -> KeystoreError:
    where = "keystore"
    return KeystoreError([ConfigProblem(where, "polymarket.keystore_path", message)])
