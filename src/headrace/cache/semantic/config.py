"""How the semantic cache is set up."""

import enum

import msgspec

from headrace.cache.semantic.guards import ALL_GUARDS
from headrace.cache.semantic.threshold import SIMILARITY_FLOOR, SIMILARITY_STATIC

EXACT_ENTRIES_MAX = 20_000


class Mode(enum.StrEnum):
    """What the semantic cache does with what it finds.

    Attributes:
        OFF: nothing at all.
        SHADOW: it answers nothing, counts what it would have answered, and learns.
        ON: it answers.
    """

    OFF = "off"
    SHADOW = "shadow"
    ON = "on"


class SemanticConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How the semantic cache is set up.

    Attributes:
        max_error: largest share of wrong ones among the answers given, above 0, at most 0.2.
        similarity: static threshold, in force until labels have spoken.
        similarity_floor: nothing below is looked at, and no learned threshold goes below.
        trusts_static: whether the static threshold is used before labels have confirmed it.
        explore_share: share of the candidates that are labelled, where answers can be compared.
        candidates_max: nearest questions that are looked at.
        guards: names of the guards that may object.
        entries_max: most questions of one scope.
        scopes_max: most scopes.
        bytes_max: bound on what all questions take, in bytes.
        exact_max: questions of one scope up to which the nearest are found exactly.
        verifier_timeout_s: how long a verifier may take, in seconds.
        comparison_timeout_s: how long a comparison of answers may take, in seconds.
    """

    mode: Mode = Mode.OFF
    max_error: float = 0.02
    similarity: float = SIMILARITY_STATIC
    similarity_floor: float = SIMILARITY_FLOOR
    trusts_static: bool = True
    explore_share: float = 0.05
    candidates_max: int = 5
    guards: tuple[str, ...] = ALL_GUARDS
    entries_max: int = EXACT_ENTRIES_MAX
    scopes_max: int = 1000
    bytes_max: int = 64 * 1024 * 1024
    exact_max: int = EXACT_ENTRIES_MAX
    verifier_timeout_s: float = 1.0
    comparison_timeout_s: float = 30.0
