"""LLMLingua-2 as the model that leaves words out, for those who have it.

Pan et al., LLMLingua-2: Data Distillation for Efficient and Faithful Task-Agnostic Prompt
Compression (2024): a classifier keeps or drops each token. It needs PyTorch, a model of some 2 GB,
and 100 ms or more for 500 tokens on a processor.
"""

from threading import Lock
from typing import Any, Final

from headrace.errors import NotRunning
from headrace.prompt.counting.vocabulary import without_lone_surrogates

MODEL: Final = "microsoft/llmlingua-2-xlm-roberta-large-meetingbank"
FAMILIES: Final = ("xlm-roberta-large", "bert-base-multilingual-cased")
"""llmlingua tells by these, in a model's name or path, how its tokens make words."""

_NEGATIONS: Final = ("not", "no", "never", "without", "nor", "none", "nothing", "cannot")
_KEPT: Final = ("\n", ".", "!", "?", ",", *_NEGATIONS, *(each.title() for each in _NEGATIONS))


class LinguaShortener:
    """Gives texts without the words that LLMLingua-2 thinks can be spared. Pass it as `shorten`.

    Line ends, stops, negations and digits are kept. One text at a time, whichever thread asks.
    What the model cannot read, or leaves nothing of, comes back as it is.

    Args:
        model: a name on Hugging Face's hub, or a folder that holds the model; one of `FAMILIES`
            has to be in it.
        device: where it runs, as PyTorch names it.

    Raises:
        NotRunning: llmlingua is not installed.
        ValueError: it cannot work with a model that is called so.
    """

    def __init__(self, model: str = MODEL, *, device: str = "cpu") -> None:
        if not any(family in model for family in FAMILIES):
            raise ValueError(
                f"llmlingua tells how words are made by the name: {' or '.join(FAMILIES)} has to "
                "be in the model's name, or in the path of its folder"
            )
        try:
            from llmlingua import PromptCompressor
        except ImportError as missing:
            raise NotRunning(
                "Leaving words out needs LLMLingua-2: pip install 'headrace[lingua]'. "
                "All other stages work without it."
            ) from missing
        self._model: Any = PromptCompressor(
            model_name=model, use_llmlingua2=True, device_map=device
        )
        self._one_at_a_time = Lock()

    def __call__(self, text: str, keep_share: float) -> str:
        """`text` with about `keep_share` of its tokens."""
        if not text.strip() or without_lone_surrogates(text) != text:
            return text
        with self._one_at_a_time:
            found = self._model.compress_prompt_llmlingua2(
                [text],
                rate=keep_share,
                force_tokens=list(_KEPT),
                force_reserve_digit=True,
                drop_consecutive=True,
            )
        return str(found["compressed_prompt"]) or text
