"""Bodies are written as the venue's clients write them, and read from any."""

import json
from typing import Any

import pytest

from executors.protocol import PostBody, insert_owner
from ledger.errors import InvalidInputError
from tests.unit.protocol.kit import order, order_v1, vectors

BODY = vectors("post_order_request.json")
TEXT = json.dumps(BODY, separators=(",", ":"))
DEEP = b'{"unknown":' + b"[" * 100_000
SIGNED = order(signature="0x" + "ab" * 65)


def changed(field: str, value: object) -> bytes:
    """The client's body with one field of its order set, or removed."""
    fields = dict(BODY["order"])
    if value is None:
        del fields[field]
    else:
        fields[field] = value
    return json.dumps({**BODY, "order": fields}).encode()


class TestWriting:
    def test_what_was_read_is_written_the_same(self) -> None:
        """The client's own body survives byte for byte."""
        assert PostBody.parse(TEXT.encode()).to_json() == TEXT

    def test_post_only_is_named_only_when_wanted(self) -> None:
        """As the client does it."""
        plain = PostBody(order=SIGNED, order_type="GTC", owner="k").to_json()
        marked = PostBody(order=SIGNED, order_type="GTC", owner="k", post_only=True)
        assert "postOnly" not in plain
        assert marked.to_json() == plain[:-1] + ',"postOnly":true}'

    @pytest.mark.parametrize("signed", [SIGNED, order_v1(signature="0x" + "ab" * 65)])
    @pytest.mark.parametrize("post_only", [False, True])
    def test_either_protocol_is_read_back(self, signed: Any, post_only: bool) -> None:
        """The exchange and the executor share one reader."""
        body = PostBody(order=signed, order_type="FAK", owner="k", post_only=post_only)
        assert PostBody.parse(body.to_json()) == body

    def test_a_batch_is_a_list_of_bodies(self) -> None:
        """Up to 15 orders travel in one request."""
        bodies = [
            PostBody(order=SIGNED, order_type=kind, owner="k")
            for kind in ("GTC", "FOK")
        ]
        text = json.dumps([body.to_fields() for body in bodies])
        assert PostBody.parse_batch(text) == tuple(bodies)


class TestOwner:
    def test_is_put_in_when_posting(self) -> None:
        """So no credential is stored with the order."""
        for signed in (SIGNED, order_v1(signature="0x" + "ab" * 65)):
            stored = PostBody(order=signed, order_type="GTC", post_only=True).to_json()
            posted = insert_owner(stored, "the-key")
            assert (
                posted
                == PostBody(
                    order=signed, order_type="GTC", owner="the-key", post_only=True
                ).to_json()
            )

    def test_is_not_put_in_twice(self) -> None:
        """A body that has an owner is not ours to sign over."""
        with pytest.raises(InvalidInputError, match="owner"):
            insert_owner(TEXT, "the-key")


class TestReading:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("salt", "-1"),
            ("salt", 1.5),
            ("salt", str(1 << 256)),
            ("maker", "0x12"),
            ("signer", None),
            ("tokenId", "abc"),
            ("tokenId", ""),
            ("makerAmount", "1e3"),
            ("takerAmount", "\u0661"),
            ("side", "buy"),
            ("signatureType", 4),
            ("timestamp", "x"),
            ("metadata", "0x00"),
            ("builder", None),
            ("expiration", "-5"),
            ("signature", "0x0"),
            ("signature", "ab"),
        ],
    )
    def test_refuses_malformed_orders(self, field: str, value: object) -> None:
        """Anybody may call; nothing malformed reaches the hash."""
        with pytest.raises(InvalidInputError):
            PostBody.parse(changed(field, value))

    @pytest.mark.parametrize(
        "body",
        [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, DEEP, b'{"order":1}'],
    )
    def test_refuses_what_is_no_body(self, body: bytes) -> None:
        """A refusal, not a crash."""
        with pytest.raises(InvalidInputError):
            PostBody.parse(body)

    def test_takes_numbers_for_text_and_text_for_numbers(self) -> None:
        """Clients differ in it."""
        loose = changed("salt", str(BODY["order"]["salt"]))
        assert PostBody.parse(loose) == PostBody.parse(TEXT)
        loose = changed("makerAmount", int(BODY["order"]["makerAmount"]))
        assert PostBody.parse(loose) == PostBody.parse(TEXT)

    def test_ignores_fields_it_does_not_know(self) -> None:
        """A newer client must not be locked out by an extra field."""
        assert PostBody.parse(changed("taker", "0x00")) == PostBody.parse(TEXT)
