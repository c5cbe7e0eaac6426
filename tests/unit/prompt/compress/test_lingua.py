"""LLMLingua-2, which is not installed here: how it is asked for, and how it is asked."""

import sys
from types import ModuleType
from typing import Any

import pytest

from headrace import LinguaShortener
from headrace.errors import NotRunning


def test_who_lacks_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llmlingua", None)
    with pytest.raises(NotRunning, match=r"pip install 'headrace\[lingua\]'"):
        LinguaShortener()


def test_it_is_asked_for_a_share_of_the_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    class PromptCompressor:
        def __init__(self, **given: Any) -> None:
            asked.append(given)

        def compress_prompt_llmlingua2(self, context: list[str], **given: Any) -> dict[str, str]:
            asked.append(given)
            return {"compressed_prompt": " ".join(context[0].split()[:-1:2])}

    module = ModuleType("llmlingua")
    module.PromptCompressor = PromptCompressor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "llmlingua", module)
    folder = "folder/xlm-roberta-large"
    shorten = LinguaShortener(folder, device="cuda")
    assert shorten("a b c d", 0.5) == "a c"
    assert asked[0] == {
        "model_name": folder,
        "use_llmlingua2": True,
        "device_map": "cuda",
    }
    assert asked[1]["rate"] == 0.5
    assert asked[1]["force_reserve_digit"] is True
    assert {"not", "Never"} <= set(asked[1]["force_tokens"])
    for odd in ("", "  ", "a", "half of a \ud800 character"):
        assert shorten(odd, 0.5) == odd


def test_a_model_whose_tokens_it_cannot_read_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="xlm-roberta-large or bert-base-multilingual-cased"):
        LinguaShortener("some/other")
