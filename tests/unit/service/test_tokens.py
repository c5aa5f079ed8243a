"""Tokens: random, kept as hashes, private, and found again by their text alone."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config import ConfigError
from ledger.errors import InvalidInputError
from service.tokens import FILE_NAME, PREFIX, Scope, Token, Tokens, write_private

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    """No tokens yet, and a look at the file for each question."""
    times = iter(range(10_000))
    return Tokens(tmp_path / FILE_NAME, monotonic=lambda: float(next(times)))


def make(tokens: Tokens, name: str = "a", *scopes: Scope, strategy: str = "") -> str:
    """A token's text."""
    text, _ = tokens.create(name, scopes or [Scope.READ], strategy=strategy, now=NOW)
    return text


def test_a_token_is_found_by_its_text_alone(tokens: Tokens) -> None:
    """Neither its name, nor its id, nor its hash may open the door."""
    text = make(tokens)
    found = tokens.find(text)
    assert found is not None
    assert found.name == "a"
    for wrong in ("", "a", found.token_id, found.sha256, text[:-1], text + "x"):
        assert tokens.find(wrong) is None


def test_only_the_hash_is_kept(tokens: Tokens) -> None:
    """The data folder is backed up; a backup must not be a key."""
    text = make(tokens)
    kept = tokens.path.read_text()
    assert text.removeprefix(PREFIX) not in kept
    assert hashlib.sha256(text.encode()).hexdigest() in kept
    assert tokens.path.stat().st_mode & 0o777 == 0o600


def test_a_token_has_256_bits(tokens: Tokens) -> None:
    """Nobody guesses it, and no two are alike."""
    texts = {make(tokens, f"t{number}") for number in range(20)}
    assert len(texts) == 20
    assert {len(text.removeprefix(PREFIX)) for text in texts} == {43}  # base64 of 32


def test_another_process_makes_and_revokes(tokens: Tokens) -> None:
    """The service runs while a token is made or revoked beside it."""
    text = make(Tokens(tokens.path), "b")
    assert tokens.find(text) is not None
    Tokens(tokens.path).revoke("b")
    assert tokens.find(text) is None


def test_a_token_is_revoked_by_name_or_id(tokens: Tokens) -> None:
    """The list shows both."""
    make(tokens, "a")
    make(tokens, "b")
    ids = {token.name: token.token_id for token in tokens}
    assert tokens.revoke(ids["a"]).name == "a"
    assert tokens.revoke("b").name == "b"
    assert len(tokens) == 0
    with pytest.raises(InvalidInputError):
        tokens.revoke("a")


@pytest.mark.parametrize(
    ("name", "scopes", "strategy"),
    [
        ("", [Scope.READ], ""),
        ("a b", [Scope.READ], ""),
        ("a" * 65, [Scope.READ], ""),
        ("a", [], ""),
        ("a", [Scope.READ], "no spaces"),
        ("taken", [Scope.READ], ""),
    ],
)
def test_a_bad_token_is_not_made(
    tokens: Tokens, name: str, scopes: list[Scope], strategy: str
) -> None:
    """A slip must not leave a token behind that nobody meant."""
    make(tokens, "taken")
    with pytest.raises(InvalidInputError):
        tokens.create(name, scopes, strategy=strategy, now=NOW)
    assert [token.name for token in tokens] == ["taken"]


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"tokens": 1}', '{"version": 2}', "\xff"]
)
def test_a_damaged_file_is_an_error_and_not_empty(tokens: Tokens, content: str) -> None:
    """Taken for empty, it would let the next start make a token for everything."""
    write_private(tokens.path, content.encode("latin-1"))
    with pytest.raises(ConfigError, match=str(tokens.path)):
        Tokens(tokens.path)


def test_a_file_that_others_can_read_is_refused(tokens: Tokens) -> None:
    """Hashes are no secret, but whoever can read may be able to write."""
    make(tokens)
    tokens.path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        Tokens(tokens.path)


def test_admin_is_every_scope_and_a_strategy_is_a_bound() -> None:
    """What a token may do follows from these two alone."""
    token = Token(
        token_id="x",
        name="x",
        sha256="x",
        scopes=frozenset({Scope.ADMIN}),
        created_at=NOW,
    )
    assert all(token.allows(scope) for scope in Scope)
    assert token.covers("any")
    bound = Token(
        token_id="x",
        name="x",
        sha256="x",
        scopes=frozenset({Scope.SUBMIT}),
        strategy="mine",
        created_at=NOW,
    )
    assert [scope for scope in Scope if bound.allows(scope)] == [Scope.SUBMIT]
    assert bound.covers("mine")
    assert not bound.covers("other")
