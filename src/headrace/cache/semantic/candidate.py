"""What a look-up by meaning finds, and what becomes of it."""

import msgspec


class Candidate(msgspec.Struct, frozen=True):
    """A stored answer for a question that means the same.

    Attributes:
        key: what the answer is stored under.
        similarity: of the two questions, 0 to 1.
        answers: whether it may be given.
        is_trial: the provider is asked all the same, and `SemanticCache.judge` is told both
            answers.
        would_answer: whether it would have been given, were it not for the trial or the mode.
        why: what decided, for people.
    """

    key: bytes
    similarity: float
    answers: bool
    is_trial: bool
    would_answer: bool
    why: str


class Outcome(msgspec.Struct, frozen=True):
    """Whether a candidate's answer turned out to be the right one.

    Attributes:
        key: of the candidate.
        similarity: of the candidate.
        same: whether the answers say the same.
        would_answer: of the candidate.
    """

    key: bytes
    similarity: float
    same: bool
    would_answer: bool
