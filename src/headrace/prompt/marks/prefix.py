"""What calls have in common at their beginning, as digests."""

from hashlib import blake2b
from typing import Any

import msgspec

from headrace.model import DialectName

_DIGEST_BYTES = 16
_OPENING_ROLES = ("system", "developer")  # no set, which would have to hash what a caller wrote
_encode = msgspec.json.Encoder().encode


class Prefix(msgspec.Struct, frozen=True):
    """Where a request stands among others, from the widest circle to the narrowest.

    Attributes:
        circle: digest of who asks which model.
        head: digest of that, the tools and the system prompt.
        talk: digest of that and the first message of the user: the conversation.
    """

    circle: bytes
    head: bytes
    talk: bytes


def prefix_of(document: dict[str, Any], *, dialect: DialectName, model: str, tenant: str) -> Prefix:
    """Where a request stands among others.

    Args:
        document: the request.
        dialect: its grammar.
        model: as the provider names it.
        tenant: whose request it is.
    """
    circle = _chain(dialect.encode(), tenant.encode(), model.encode())
    opening, first = _opening(document)
    head = _chain(circle, _encode([document.get("tools"), document.get("system"), opening]))
    return Prefix(circle, head, _chain(head, _encode(first)))


def key_of(prefix: Prefix, shards: int) -> str:
    """A `prompt_cache_key` for a request: the same for the same tenant, model and head.

    Args:
        prefix: where the request stands.
        shards: how many keys the conversations of one head share out among themselves.
    """
    shard = int.from_bytes(prefix.talk[:4]) % shards
    return f"headrace-{_chain(prefix.head, b'%d' % shard).hex()}"


def _opening(document: dict[str, Any]) -> tuple[list[Any], Any]:
    """The system messages that come first, and the first message behind them."""
    messages = document.get("messages")
    opening: list[Any] = []
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict):
            if message.get("role") not in _OPENING_ROLES:
                return opening, message
            opening.append(message)
    return opening, None


def _chain(*parts: bytes) -> bytes:
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.digest()
