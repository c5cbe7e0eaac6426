"""Counters for every model, and what they have learnt."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

import msgspec

from headrace.prompt.counting.content import Content, Shares, length_estimate, read_traits
from headrace.prompt.counting.count import Count
from headrace.prompt.counting.document import Parts, read_document
from headrace.prompt.counting.families import Family, Model, Vocabulary, model_of
from headrace.prompt.counting.memo import CHARS_MIN, Memo, Reading, memo_key
from headrace.prompt.counting.ratios import Features, Ratios
from headrace.prompt.counting.tool_schemas import openai_tools, tools_json
from headrace.prompt.counting.vocabulary import encoder

MEMO_BYTES: Final = 8 << 20
# A file or a sound whose tokens nobody knows from outside, and how far that is off.
_UNREAD_TOKENS: Final = 1600
_UNREAD_ERROR: Final = 0.5
# Tools and images by documented rules: right to a few tokens, as far as it is known.
_RULE_ERROR: Final = 0.05
# What an estimate by length alone adds to the error of a family.
_BYTES_ERROR: Final = 0.2
_JSON: Final[Shares] = tuple(float(kind is Content.JSON) for kind in Content)


class Sum(msgspec.Struct, frozen=True):
    """What a request comes to before any ratio.

    Attributes:
        features: its texts and messages.
        fixed_tokens: those of images, files and what is said around tools.
        is_certain: whether all of that is known rather than assumed.
    """

    features: Features
    fixed_tokens: float
    is_certain: bool


class ModelCounter:
    """Counts as one model does. Implements `Counter`; may be used by several threads."""

    __slots__ = ("_encode", "_family", "_image", "_memo", "_ratios")

    def __init__(self, model: Model, memo: Memo, ratios: Ratios) -> None:
        self._family = model.family
        self._image = model.image
        self._memo = memo
        self._ratios = ratios
        self._encode = encoder(model.family.vocabulary)

    @property
    def family(self) -> Family:
        """Whose tokenizer it is."""
        return self._family

    @property
    def is_exact(self) -> bool:
        """Whether texts are counted, and not estimated."""
        return self._family.is_exact and self._encode is not None

    @property
    def error_p95(self) -> float:
        """How far an estimate is off, in 95 of 100 cases; 0 where texts are counted."""
        return 0.0 if self.is_exact else self._ratios.error_p95

    def tokens_of(self, text: str) -> int:
        """How many tokens a text has, nothing around it counted."""
        if self._family.is_exact and (encode := self._encode) is not None:
            if len(text) < CHARS_MIN:
                return encode(text)
            return int(self._read(text, needs_traits=False)[0])
        if not text:
            return 0
        features = Features()
        self._add(features, text)
        return max(1, round(self._ratios.predict(features)))

    def count_text(self, text: str) -> Count:
        """The same, and how sure that is."""
        return Count(self.tokens_of(text), self.is_exact, self.error_p95)

    def roughly(self, text: str) -> int:
        """How many tokens a text has by its length and kind: some microseconds at any length."""
        features, traits = Features(), read_traits(text)
        features.add(length_estimate(traits), traits)
        return round(self._ratios.predict(features))

    def count_document(self, document: Mapping[str, Any]) -> Count:
        """How many input tokens a request comes to, in either dialect."""
        return self.count_parts(read_document(document))

    def count_roughly(self, document: Mapping[str, Any]) -> Count:
        """The same by the length of its texts: for what is long, and must not take long."""
        parts = read_document(document)
        texts, parts.texts = parts.texts, []
        rest = self.count_parts(parts)
        tokens = rest.tokens + sum(map(self.roughly, texts))
        return Count(tokens, False, max(rest.error_p95, self._ratios.error_p95) + _BYTES_ERROR)

    def count_parts(self, parts: Parts) -> Count:
        """The same, of a request that was read."""
        if self.is_exact:
            return self._count_exactly(parts)
        summed = self.sum_up(parts)
        said = self._ratios.predict(summed.features)
        tokens = max(0, round(said + summed.fixed_tokens))
        error = self.error_p95
        return Count(tokens, False, error if summed.is_certain else max(error, _UNREAD_ERROR))

    def sum_up(self, parts: Parts) -> Sum:
        """What an estimate is made of."""
        features = Features(parts.messages)
        texts, fixed = parts.texts, float(self._fixed(parts))
        if parts.tools and self._family.is_openai:
            tools = openai_tools(parts.tools, self._family.function_tokens)
            texts, fixed = [*texts, *tools.texts], fixed + tools.tokens
        elif parts.tools:
            fixed += self._family.tools_tokens
            self._add(features, tools_json(parts.tools), _JSON)
        for text in texts:
            if text:
                self._add(features, text)
        if parts.messages:
            fixed += self._family.reply_tokens
        is_certain = not parts.unread and all(image.is_known for image in parts.images)
        return Sum(features, fixed, is_certain)

    def _count_exactly(self, parts: Parts) -> Count:
        family, tokens = self._family, self._fixed(parts)
        texts = parts.texts
        if parts.messages:
            tokens += round(parts.messages * family.message_tokens + family.reply_tokens)
            tokens += parts.names
            tokens += sum(self.tokens_of(role) * times for role, times in parts.roles.items())
        if parts.tools:
            tools = openai_tools(parts.tools, family.function_tokens)
            texts, tokens = [*texts, *tools.texts], tokens + tools.tokens
        tokens += sum(map(self.tokens_of, texts))
        if parts.is_plain:
            return Count(tokens)
        is_certain = not parts.unread and all(image.is_known for image in parts.images)
        return Count(tokens, False, _RULE_ERROR if is_certain else _UNREAD_ERROR)

    def _fixed(self, parts: Parts) -> int:
        return sum(map(self._image, parts.images)) + parts.unread * _UNREAD_TOKENS

    def _add(self, features: Features, text: str, shares: Shares | None = None) -> None:
        """Add a text, of the kinds that are known where they are."""
        base_tokens, traits = self._read(text, needs_traits=True)
        assert traits is not None  # noqa: S101  # they were asked for
        features.add(base_tokens, traits if shares is None else traits._replace(shares=shares))

    def _read(self, text: str, *, needs_traits: bool) -> Reading:
        """Tokens of the vocabulary, and the text's traits where those are wanted."""
        is_kept = len(text) >= CHARS_MIN
        key = memo_key(text, self._family.vocabulary) if is_kept else b""
        found = self._memo.get(key) if is_kept else None
        if found is not None and (found[1] is not None or not needs_traits):
            return found
        encode = self._encode
        traits = read_traits(text) if needs_traits or encode is None else None
        if found is not None:
            tokens = found[0]
        elif encode is not None:
            tokens = float(encode(text))
        else:
            assert traits is not None  # noqa: S101  # read above, where nothing encodes
            tokens = length_estimate(traits)
        if is_kept:
            self._memo.put(key, (tokens, traits))
        return tokens, traits


class Counters:
    """Counters by model, what they remember, and what they have learnt by family.

    May be used by several threads; only one at a time may let it learn.

    Args:
        memo_bytes: about how much memory the counts of texts that were seen may take.
    """

    __slots__ = ("_by_model", "_memo", "_ratios")

    def __init__(self, memo_bytes: int = MEMO_BYTES) -> None:
        self._memo = Memo(memo_bytes)
        self._ratios: dict[str, Ratios] = {}
        self._by_model: dict[tuple[str, int], ModelCounter] = {}

    @property
    def memo(self) -> Memo:
        """Counts of texts that were counted before."""
        return self._memo

    def warm_up(self) -> None:
        """Read the vocabularies now, which takes some 100 ms, rather than when first counted."""
        for vocabulary in get_args(Vocabulary):
            encoder(vocabulary)

    def of(self, name: str) -> ModelCounter:
        """What counts as a model does; of one that nobody knows, what is assumed of any.

        Args:
            name: the model, with or without a provider's name before it.
        """
        model = model_of(name)
        return ModelCounter(model, self._memo, self.ratios(model.family))

    def ratios(self, family: Family) -> Ratios:
        """What is known of a family."""
        found = self._ratios.get(family.name)
        if found is None:
            error = family.error_p95
            if encoder(family.vocabulary) is None:
                error += _BYTES_ERROR
            made = Ratios(family.ratios, family.message_tokens + family.is_openai, error)
            found = self._ratios.setdefault(family.name, made)
        return found

    def learn(self, name: str, document: Mapping[str, Any], told_tokens: int) -> bool:
        """Take in what a provider counted of a request; says whether something could be learnt.

        Args:
            name: the model.
            document: the request.
            told_tokens: its input tokens, cached ones included.
        """
        counter = self.of(name)
        if counter.is_exact or told_tokens <= 0:
            return False
        summed = counter.sum_up(read_document(document))
        said = told_tokens - summed.fixed_tokens
        if not summed.is_certain or said <= 0:
            return False
        self.ratios(counter.family).learn(summed.features, said)
        return True

    def errors(self) -> Mapping[str, float]:
        """How far the estimates of each family were off so far, in 95 of 100 cases."""
        return {name: ratios.error_p95 for name, ratios in self._ratios.items() if ratios.seen}


def check_messages_given(messages: object, what: str) -> None:
    """Refuse what programs give in place of messages.

    Args:
        messages: a list of mappings, if all is well.
        what: what else they may be, in the words of the error.

    Raises:
        TypeError: it is none of that.
    """
    if isinstance(messages, str | bytes) or not isinstance(messages, Sequence):
        raise TypeError(f"expected {what}, not {type(messages).__name__}")
    for at, each in enumerate(messages):
        if not isinstance(each, Mapping):
            raise TypeError(f"messages[{at}]: expected a mapping, not {type(each).__name__}")


def as_document(
    said: str | Sequence[Mapping[str, Any]] | Mapping[str, Any], tools: Sequence[Any] | None
) -> Mapping[str, Any]:
    """A request that says it."""
    document: dict[str, Any] = dict(said) if isinstance(said, Mapping) else {"messages": said}
    if tools is not None:
        document["tools"] = tools
    return document
