"""LLMLingua-2 as the model that leaves words out, for those who have it.

Pan et al., LLMLingua-2: Data Distillation for Efficient and Faithful Task-Agnostic Prompt
Compression (2024): a classifier keeps or drops each token. It needs PyTorch, a model of some 2 GB,
and 100 ms or more for 500 tokens on a processor.
"""

from threading import Lock
from typing import Any, Final

from headrace.errors import NotRunning

MODEL: Final = "microsoft/llmlingua-2-xlm-roberta-large-meetingbank"
_KEPT: Final = ("\n", ".", "!", "?", ",", "not", "no", "never", "without")


class LinguaShortener:
    """Gives texts without the words that LLMLingua-2 thinks can be spared. Pass it as `shorten`.

    Line ends, stops, negations and digits are kept. One text at a time, whichever thread asks.

    Args:
        model: a name on Hugging Face's hub, or a folder that holds the model.
        device: where it runs, as PyTorch names it.

    Raises:
        NotRunning: llmlingua is not installed.
    """

    def __init__(self, model: str = MODEL, *, device: str = "cpu") -> None:
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
        with self._one_at_a_time:
            found = self._model.compress_prompt_llmlingua2(
                [text],
                rate=keep_share,
                force_tokens=list(_KEPT),
                force_reserve_digit=True,
                drop_consecutive=True,
            )
        return str(found["compressed_prompt"])
