"""Embedding requests of several callers as one, and its answer in parts for each of them.

Only what asks for the same vectors in the same way goes together: every field but `input` has to
be equal. Inputs stay the bytes they came as.

A caller's share of `usage` is in proportion to its inputs: to their number of tokens where they
are arrays of tokens, else to their bytes. An input that several callers sent is shared by them.
Shares of whole numbers are whole, and add up to what the provider said (largest remainder method;
Hamilton, 1792). So one who sent tokens alone with others who did pays for exactly those, if the
provider counts them as they are.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

Fields = tuple[tuple[str, bytes], ...]

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_encode = msgspec.json.Encoder().encode
_TEXT, _ARRAY = b'"', b"["
_DIGITS = b"0123456789"


class EmbedAsk(msgspec.Struct, frozen=True):
    """What of an embedding request matters for going together with others.

    Attributes:
        fields: every field but `input` and `model`, by name, as JSON.
        is_text: whether the inputs are texts; else they are arrays of tokens.
        inputs: the inputs in their order, as JSON.
    """

    fields: Fields
    is_text: bool
    inputs: tuple[bytes, ...]

    @property
    def distinct(self) -> tuple[bytes, ...]:
        """The inputs without repeats."""
        return tuple(dict.fromkeys(self.inputs))

    def weight(self, sent: bytes) -> int:
        """What an input counts when usage is shared: its tokens or its bytes."""
        return max(1, len(sent) - 2) if self.is_text else sent.count(b",") + 1

    @property
    def tokens(self) -> int:
        """How many tokens there are; of texts, more rather than less than there are in English."""
        total = sum(map(self.weight, self.distinct))
        return total // 3 + len(self.inputs) if self.is_text else total


def read_ask(body: bytes) -> EmbedAsk | None:
    """Read a request, which was found valid; `None` for one that has to go alone."""
    try:
        fields = _FIELDS.decode(body)
        inputs = _inputs(bytes(fields.pop("input")))
    except (KeyError, msgspec.DecodeError):
        return None
    if inputs is None:
        return None
    fields.pop("model", None)
    told = sorted((name, bytes(value)) for name, value in fields.items())
    return EmbedAsk(tuple(told), inputs[0].startswith(_TEXT), inputs)


def _inputs(given: bytes) -> tuple[bytes, ...] | None:
    """Every input, if all are texts or all are arrays of tokens."""
    if given.startswith(_TEXT):
        return (given,)
    inputs = tuple(map(bytes, _RAWS.decode(given)))
    kinds = {each[:1] for each in inputs}
    if kinds == {_TEXT} or kinds == {_ARRAY}:
        return inputs
    if inputs and all(each in _DIGITS for each in kinds):  # one array of tokens
        return (given,)
    return None


def write_ask(model: str, fields: Fields, inputs: Sequence[bytes]) -> bytes:
    """One request for all inputs."""
    told = [b"%b:%b" % (_encode(name), value) for name, value in fields]
    told.append(b'"input":[%b]' % b",".join(inputs))
    return b'{"model":%b,%b}' % (_encode(model), b",".join(told))


def split_reply(
    body: bytes, count: int, wanted: Sequence[Sequence[int]], weights: Sequence[float]
) -> list[bytes] | None:
    """The answer to several callers, each with its own vectors and its share of the usage.

    Args:
        body: the answer to the request for all.
        count: how many inputs that had.
        wanted: for each caller the numbers of its inputs among those, in its own order.
        weights: for each caller what it counts when usage is shared.

    Returns:
        A whole answer for each; `None` where there is not one vector for each input.
    """
    try:
        reply = _FIELDS.decode(body)
        items = _by_index(_ITEMS.decode(reply.pop("data")), count)
        usage = msgspec.json.decode(reply["usage"]) if "usage" in reply else None
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if items is None or _is_error(reply):
        return None
    shares: Sequence[Any] = split(usage, weights)
    told = []
    for places, share in zip(wanted, shares, strict=True):
        data = [
            {**items[place], "index": msgspec.Raw(b"%d" % at)} for at, place in enumerate(places)
        ]
        part: dict[str, Any] = {**reply, "data": data}
        if "usage" in reply:
            part["usage"] = share
        told.append(_encode(part))
    return told


def split(total: Any, weights: Sequence[float]) -> list[Any]:
    """A number in parts by weight, whole numbers in whole ones; all else is everybody's.

    Args:
        total: a number, or a mapping with numbers in it, however deep.
        weights: not negative.
    """
    if isinstance(total, dict):
        parts = {name: split(value, weights) for name, value in total.items()}
        return [{name: each[at] for name, each in parts.items()} for at in range(len(weights))]
    if isinstance(total, bool) or not isinstance(total, int | float):
        return [total] * len(weights)
    whole = sum(weights)
    shares = [total * (weight / whole if whole else 1 / len(weights)) for weight in weights]
    return _rounded(total, shares) if isinstance(total, int) else shares


def _rounded(total: int, shares: list[float]) -> list[int]:
    """Whole numbers near these that add up; who is furthest below its share gets one more first."""
    floors = [int(share // 1) for share in shares]
    left = total - sum(floors)
    most_below = sorted(range(len(shares)), key=lambda at: floors[at] - shares[at])
    for turn in range(left):
        floors[most_below[turn % len(floors)]] += 1
    return floors


def _by_index(
    items: list[dict[str, msgspec.Raw]], count: int
) -> list[dict[str, msgspec.Raw]] | None:
    """The items in the order of what was sent, if there is one for each."""
    if len(items) != count:
        return None
    places = [bytes(item.get("index", msgspec.Raw(b"%d" % at))) for at, item in enumerate(items)]
    found = dict(zip(places, items, strict=True))
    ordered = [found.get(b"%d" % at) for at in range(count)]
    return [item for item in ordered if item is not None] if None not in ordered else None


def _is_error(reply: Mapping[str, msgspec.Raw]) -> bool:
    return "error" in reply and bytes(reply["error"]) != b"null"
