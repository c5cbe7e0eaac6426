"""A model in the gateway's process that leaves words out: what it is given, and when it is slow."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import headrace_process
from tests.support.gateway import Gateway
from tests.support.house import OPENAI
from tests.support.provider import ScriptedProvider, scripted, sized
from tests.support.replies import completion
from tests.support.waiting import eventually


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with scripted() as provider:
        yield provider


LLMLINGUA = """
import time
from pathlib import Path

class PromptCompressor:
    def __init__(self, model_name, use_llmlingua2, device_map):
        self.folder = Path(model_name)

    def compress_prompt_llmlingua2(self, context, rate, **more):
        (self.folder / "asked").touch()
        while (self.folder / "is slow").exists():
            time.sleep(0.01)
        words = context[0].split()
        return {"compressed_prompt": " ".join(words[: int(len(words) * rate)])}
"""
PROSE = " ".join(f"The keeper of lock {number} sleeps by day." for number in range(60))


def test_a_model_leaves_words_out_of_results_alone(
    tmp_path: Path, provider: ScriptedProvider
) -> None:
    """By a stand-in for llmlingua in the gateway's own process."""
    model = tmp_path / "xlm-roberta-large"
    model.mkdir()
    (tmp_path / "llmlingua.py").write_text(LLMLINGUA)
    place = {"dialect": "openai", "base_url": provider.url + "/v1", "warm_connections": 0}
    shortener = {"model": str(model), "rate": 0.25, "seconds_max": 20}
    settings = {
        "providers": {"chat": place},
        "prompt": {"compress": {"level": "lossy", "keep_share": 0.9, "shortener": shortener}},
    }
    path = {"PYTHONPATH": f"{tmp_path}:{headrace_process.SOURCES}"}
    made = {"id": "c", "type": "function", "function": {"name": "search", "arguments": "{}"}}

    def asked(gateway: Gateway, which: str) -> list[dict[str, Any]]:
        messages = [
            {"role": "system", "content": PROSE},
            {"role": "user", "content": "hm"},
            {"role": "assistant", "content": None, "tool_calls": [made]},
            {"role": "tool", "tool_call_id": "c", "content": f"{which} {PROSE}"},
            {"role": "user", "content": f"{PROSE} {which}"},
        ]
        provider.answers, provider.bodies = [sized(completion("90."))], []
        response = gateway.post(OPENAI.path, OPENAI.document("chat/m", messages=messages))
        assert response.status == 200
        found: list[dict[str, Any]] = json.loads(provider.bodies[0])["messages"]
        for at in (0, 1, 2, 4):
            assert found[at] == messages[at]
        return found

    with Gateway(tmp_path / "gateway", settings, environment=path) as gateway:
        number = iter(range(1000))
        shorter = eventually(
            lambda: (
                (text := asked(gateway, f"Once {next(number)}.")[3]["content"])
                and (model / "asked").exists()
                and text
            )
        )
        assert shorter.startswith("[words left out]\nOnce")
        assert len(shorter) < len(PROSE) / 3
        (model / "is slow").touch()
        shortener["seconds_max"] = 0.05
        gateway.write_settings(settings)
        assert gateway.reload()["event"] == "reloaded"
        late = "shortener_late"
        assert eventually(
            lambda: (
                asked(gateway, f"Slow {next(number)}.")[3]["content"].startswith("Slow")
                and [line for line in gateway.events() if line["event"] == late]
            )
        )
        (model / "is slow").unlink()
