"""Words that tell of hard or of easy work, in English; measured against labels by calibration."""

from typing import Final

_BREAKS: Final = str.maketrans(dict.fromkeys("\t\r\n.,;:!?()[]{}<>\"'`*/\\|=+#_", " "))

HARD: Final = frozenset(
    (
        *("algorithm", "algorithms", "analyse", "analyze", "architect", "architecture", "assess"),
        *("asymptotic", "audit", "benchmark", "bottleneck", "calculate", "compare", "complexity"),
        *("concurrency", "concurrent", "consistency", "contradiction", "counterexample"),
        *("critique", "deadlock", "debug", "deduce", "derivation", "derive", "design", "diagnose"),
        *("distributed", "equation", "estimate", "evaluate", "evidence", "hypothesis", "implement"),
        *("implications", "infer", "integral", "interpret", "invariant", "investigate", "justify"),
        *("lemma", "liability", "matrix", "migrate", "migration", "negotiate", "optimal"),
        *("optimise", "optimize", "plan", "polynomial", "probability", "proof", "prove", "race"),
        *("reason", "recursion", "refactor", "regression", "reproduce", "root", "schedule"),
        *("scalable", "simulate", "solve", "strategy", "theorem", "tradeoff", "tradeoffs"),
        *("trade-off", "trade-offs", "troubleshoot", "vulnerability", "why"),
    )
)
EASY: Final = frozenset(
    (
        *("capital", "classify", "correct", "define", "extract", "format", "greeting", "hello"),
        *("hey", "hi", "label", "list", "lowercase", "paraphrase", "rename", "rephrase", "reword"),
        *("rewrite", "sentiment", "shorten", "sort", "spell", "spelling", "summarise", "summarize"),
        *("summary", "synonym", "synonyms", "thank", "thanks", "title", "translate", "typo"),
        *("uppercase", "yes"),
    )
)
PHRASES: Final = (
    *("step by step", "root cause", "edge case", "pros and cons", "from scratch", "stack trace"),
    *("time complexity", "best approach", "take into account", "under the assumption"),
)


def counted(text: str) -> tuple[int, int]:
    """How many different words and phrases of each kind a text has: hard ones, easy ones."""
    lowered = text.lower()
    words = set(lowered.translate(_BREAKS).split())
    hard = len(HARD & words) + sum(phrase in lowered for phrase in PHRASES)
    return hard, len(EASY & words)
