"""Secrets come in by few ways and go out by none."""

import json
from pathlib import Path

import pytest

from config import (
    ConfigError,
    KeystoreError,
    Settings,
    config_hash,
    load_settings,
    signing_key,
)

KEY = "0x" + "a1" * 32
OTHER_KEY = "0x" + "b2" * 32
NAME = "ORDER_LEDGER_POLYMARKET__PRIVATE_KEY"


class TestWaysIn:
    def test_variable(self) -> None:
        """The usual way in a container."""
        key = load_settings(env={NAME: KEY}).polymarket.private_key
        assert key is not None
        assert key.get_secret_value() == KEY

    def test_file_named_by_a_variable(self, tmp_path: Path) -> None:
        """Secret stores mount files; a trailing newline is no part of the secret."""
        (tmp_path / "key").write_text(f"{KEY}\n")
        env = {f"{NAME}_FILE": str(tmp_path / "key")}
        key = load_settings(env=env).polymarket.private_key
        assert key is not None
        assert key.get_secret_value() == KEY

    def test_secret_is_taken_literally(self) -> None:
        """A secret may look like YAML without being any."""
        env = {"ORDER_LEDGER_POLYMARKET__API_SECRET": "[null]"}
        secret = load_settings(env=env).polymarket.api_secret
        assert secret is not None
        assert secret.get_secret_value() == "[null]"

    @pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff"])
    def test_unusable_file_is_refused(
        self, tmp_path: Path, content: bytes | None
    ) -> None:
        """Trading must not start without the key that was promised."""
        path = tmp_path / "key"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ConfigError) as caught:
            load_settings(env={f"{NAME}_FILE": str(path)})
        start = f"{NAME}_FILE polymarket.private_key cannot be read from {path}: "
        assert caught.value.lines()[0].startswith(start)

    def test_two_ways_at_once_are_refused(self, tmp_path: Path) -> None:
        """Which of two keys signs must never be a guess."""
        (tmp_path / "key").write_text(OTHER_KEY)
        with pytest.raises(ConfigError) as caught:
            load_settings(env={NAME: KEY, f"{NAME}_FILE": str(tmp_path / "key")})
        assert caught.value.lines() == [
            f"{NAME}_FILE polymarket.private_key is set twice"
        ]

    def test_key_beside_a_keystore_is_refused(self) -> None:
        """As above."""
        with pytest.raises(ConfigError) as caught:
            load_settings(env={NAME: KEY}, overrides=["polymarket.keystore_path=/k"])
        assert caught.value.lines() == [
            f"{NAME} polymarket.private_key must not be set together with keystore_path"
        ]


class TestWaysOut:
    def test_nothing_that_can_be_printed_shows_a_secret(self) -> None:
        """Settings end up in logs, bug reports and screenshots."""
        settings = load_settings(env={NAME: KEY})
        shown = json.dumps(settings.redacted())
        for text in (repr(settings), str(settings), shown, settings.model_dump_json()):
            assert KEY not in text

    def test_redacted_says_which_secrets_are_set(self) -> None:
        """Knowing that a key is there is what one debugs with."""
        shown = load_settings(env={NAME: KEY}).redacted()["polymarket"]
        assert shown["private_key"] == "**********"
        assert shown["api_key"] is None

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            (f"polymarket:\n  private_key: '{KEY}'\n", "    private_key: ***"),
            (f"polymarket: {{private_key: {KEY}}}\n", None),
            (f"polymarket:\n  privat_key: '{KEY}'\n", "    privat_key: ***"),
            (f"polymarket:\n  wallet: '{KEY}'\n", "    wallet: '***'"),
            (f"polymarket:\n  private_key: '{KEY}\n", None),
            (f"polymarket: {{host: x, api_secret: {KEY}}}\n", None),
            (f"polymarket: *{KEY}\n", None),
            (f"polymarket:\n  chain_id: {KEY}\n", "    chain_id: ***"),
        ],
    )
    def test_misplaced_secret_is_refused_unseen(
        self, tmp_path: Path, text: str, line: str | None
    ) -> None:
        """A secret in the wrong place is a mistake; printing it makes it a leak."""
        path = tmp_path / "p.yaml"
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            load_settings([path], env={})
        error = caught.value
        assert KEY[2:] not in f"{error!r}{error}{error.lines()}{error.__context__!r}"
        if line is not None:
            assert line in error.lines()

    def test_secret_in_a_file_is_told_where_it_belongs(self, tmp_path: Path) -> None:
        """Files of settings are shared and committed."""
        path = tmp_path / "p.yaml"
        path.write_text("polymarket:\n  api_key: abc\n")
        with pytest.raises(ConfigError) as caught:
            load_settings([path], env={})
        name = "ORDER_LEDGER_POLYMARKET__API_KEY"
        assert caught.value.lines() == [
            (
                f"{path}:2:3 polymarket.api_key is a secret and must not stand here; "
                f"set {name} or {name}_FILE"
            ),
            "    api_key: ***",
        ]

    @pytest.mark.parametrize(
        "flag",
        [
            f"polymarket.private_key={KEY}",
            f"polymarket={{private_key: '{KEY}'}}",
            f"private_key:{KEY}",
        ],
    )
    def test_secret_as_a_flag_is_refused_unseen(self, flag: str) -> None:
        """A command line is visible to every user of the machine."""
        with pytest.raises(ConfigError) as caught:
            load_settings(env={}, overrides=[flag])
        assert caught.value.lines()[0].startswith("--set ")
        assert KEY not in str(caught.value)

    def test_malformed_key_is_refused_unseen(self) -> None:
        """A key with one digit missing is nearly the key."""
        with pytest.raises(ConfigError) as caught:
            load_settings(env={NAME: KEY[:-1]})
        assert caught.value.lines() == [
            f"{NAME} polymarket.private_key must be 64 hexadecimal digits"
        ]
        assert KEY[2:20] not in f"{caught.value!r}{caught.value.__context__!r}"


class TestHash:
    def test_secrets_take_no_part(self) -> None:
        """The hash goes into the log; rotating a key is no new configuration."""
        one, two = load_settings(env={NAME: KEY}), load_settings(env={NAME: OTHER_KEY})
        assert config_hash(one) == config_hash(two) == config_hash(Settings())

    def test_any_other_setting_changes_it(self) -> None:
        """The log says which rules were in force when an order was placed."""
        changed = load_settings(env={}, overrides=["paper.seed=2"])
        assert config_hash(changed) != config_hash(Settings())

    def test_spelling_of_a_number_does_not_change_it(self) -> None:
        """0.010 and 0.01 are the same rule."""
        flag = "execution.position_tolerance=0.010"
        assert config_hash(load_settings(env={}, overrides=[flag])) == config_hash(
            Settings()
        )


class TestKeystore:
    @pytest.fixture
    def keystore(self, tmp_path: Path) -> Path:
        """An encrypted key file, made weak so that it opens fast."""
        keyfile = pytest.importorskip("eth_keyfile.keyfile")
        path = tmp_path / "keystore.json"
        stored = keyfile.create_keyfile_json(
            bytes.fromhex(KEY[2:]), b"pass", kdf="pbkdf2", iterations=1
        )
        path.write_text(json.dumps(stored))
        path.chmod(0o600)
        return path

    def test_password_opens_it(self, keystore: Path) -> None:
        """The key need not lie readable anywhere."""
        assert _opened(keystore, "pass") == KEY[2:]

    def test_wrong_password_is_refused(self, keystore: Path) -> None:
        """The message names the file, not what was tried."""
        with pytest.raises(KeystoreError) as caught:
            _opened(keystore, "guess")
        assert caught.value.lines() == [
            (
                f"keystore polymarket.keystore_path {keystore} "
                "is no keystore that this password opens"
            )
        ]

    def test_other_json_is_refused(self, keystore: Path) -> None:
        """Any file may be named by mistake."""
        keystore.write_text("[1]")
        with pytest.raises(KeystoreError, match="is no keystore"):
            _opened(keystore, "pass")

    def test_missing_file_is_refused(self, keystore: Path) -> None:
        """A mistyped path is said to be one."""
        keystore.unlink()
        with pytest.raises(KeystoreError, match="No such file or directory"):
            _opened(keystore, "pass")

    def test_a_file_that_others_may_read_is_refused(self, keystore: Path) -> None:
        """Whoever copies it has all the time in the world to guess the password."""
        keystore.chmod(0o640)
        with pytest.raises(KeystoreError, match="chmod 600"):
            _opened(keystore, "pass")

    def test_missing_password_is_asked_for(self, keystore: Path) -> None:
        """The message says which variable to set."""
        with pytest.raises(KeystoreError, match="__KEYSTORE_PASSWORD_FILE"):
            _opened(keystore, "")

    def test_plain_key_needs_no_keystore(self) -> None:
        """Both ways end in the same place; neither is required."""
        key = signing_key(load_settings(env={NAME: KEY}).polymarket)
        assert key is not None
        assert key.get_secret_value() == KEY
        assert signing_key(Settings().polymarket) is None


def _opened(path: Path, password: str) -> str:
    settings = load_settings(
        env={"ORDER_LEDGER_POLYMARKET__KEYSTORE_PASSWORD": password},
        overrides=[f"polymarket.keystore_path={path}"],
    )
    key = signing_key(settings.polymarket)
    assert key is not None
    return key.get_secret_value()
