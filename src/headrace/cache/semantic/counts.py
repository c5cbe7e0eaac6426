"""What the semantic cache counts, and what of it is told."""

import msgspec

from headrace.cache.semantic.estimate import Share, wilson


class Counts(msgspec.Struct, eq=False):
    """Counters, owned by the engine.

    Attributes:
        looked_up: questions that were compared with others.
        unanswered: those that nothing was near enough to, or that a guard objected to.
        hits: answers given by meaning; in shadow mode, those that would have been, trials too.
        trials: candidates chosen to be labelled instead.
        embedding_faults: questions without a vector.
        entry_faults: of these, the ones that were answered, and can be found by nobody.
        verifier_refusals: candidates a verifier said no to.
        verifier_faults: candidates a verifier did not speak on, or not in time.
        comparison_faults: trials whose answers could not be compared.
        labels: trials whose answers were compared.
        judged_hits: of these, the ones that would have been answered at the time.
        false_hits: of these, the ones whose answers differ.
        objections: candidates that a guard objected to, by guard.
    """

    looked_up: int = 0
    unanswered: int = 0
    hits: int = 0
    trials: int = 0
    embedding_faults: int = 0
    entry_faults: int = 0
    verifier_refusals: int = 0
    verifier_faults: int = 0
    comparison_faults: int = 0
    labels: int = 0
    judged_hits: int = 0
    false_hits: int = 0
    objections: dict[str, int] = {}

    def false_share(self) -> Share:
        """The share of false hits, with the interval it lies in with 95 % confidence."""
        return wilson(self.false_hits, self.judged_hits)


class Report(msgspec.Struct, frozen=True):
    """How the semantic cache does.

    Attributes:
        mode: `off`, `shadow` or `on`.
        counts: what happened so far; a copy.
        false_share: share of wrong ones among the answers given by meaning, from a random sample.
        threshold: similarity from which answers are given; `None` where none may be.
        is_certified: whether labels have confirmed that it keeps `max_error`.
        max_error: the share of wrong answers that is allowed.
        scopes: how many there are.
        entries: questions held.
        bytes_held: what they take, in bytes.
        embedding_calls: calls of the embedder.
        embedded_texts: texts it was called with.
        embedder_is_up: whether it is asked at the moment.
        embedder_fault: what went wrong with it last; empty as long as nothing has.
    """

    mode: str
    counts: Counts
    false_share: Share
    threshold: float | None
    is_certified: bool
    max_error: float
    scopes: int
    entries: int
    bytes_held: int
    embedding_calls: int
    embedded_texts: int
    embedder_is_up: bool
    embedder_fault: str
