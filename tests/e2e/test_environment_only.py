"""`headrace serve` without a file: the usual environment variables are enough."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anthropic
import openai
import pytest
from tests.e2e.asking import chat, message
from tests.e2e.conftest import PROVIDER_KEY
from tests.support.waiting import eventually

from headrace.sim.thread import ThreadedSim

ROOT = Path(__file__).resolve().parents[2]
KEPT = ("PATH", "HOME", "TMPDIR")
TIMEOUT_S = 60.0


@contextlib.contextmanager
def served(folder: Path, **environment: str) -> Iterator[str]:
    """The URL of a gateway that knows nothing but these variables."""
    stderr = folder / "stderr.txt"
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    with (
        stderr.open("wb") as output,
        subprocess.Popen(
            (sys.executable, "-m", "headrace.cli.main", "serve", "--port", "0"),
            env=kept
            | {"PYTHONPATH": str(ROOT / "src"), "XDG_STATE_HOME": str(folder / "state")}
            | environment,
            stdout=subprocess.DEVNULL,
            stderr=output,
        ) as process,
    ):

        def listening() -> str | None:
            assert process.poll() is None, stderr.read_text()
            lines = [json.loads(each) for each in stderr.read_text().splitlines() if each[0] == "{"]
            urls = [line["url"] for line in lines if line.get("event") == "listening"]
            return urls[0] if urls else None

        try:
            yield eventually(listening, TIMEOUT_S)
            process.terminate()
            assert process.wait(TIMEOUT_S) == 0, stderr.read_text()
            assert "Traceback" not in stderr.read_text()
            assert PROVIDER_KEY not in stderr.read_text()
        finally:
            process.kill()


@pytest.fixture(scope="module")
def url(sim: ThreadedSim, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    environment = {
        "OPENAI_API_KEY": PROVIDER_KEY,
        "OPENAI_BASE_URL": f"{sim.url}/v1",
        "ANTHROPIC_API_KEY": PROVIDER_KEY,
        "ANTHROPIC_BASE_URL": sim.url,
    }
    with served(tmp_path_factory.mktemp("bare"), **environment) as address:
        yield address


def test_both_sdks_work_with_any_key(url: str, question: str) -> None:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="whatever") as gpt:
        raw = gpt.chat.completions.with_raw_response.create(**chat(question))
        assert raw.parse().choices[0].message.content
        assert raw.headers["x-headrace-provider"] == "openai"
        with gpt.chat.completions.create(**chat(question), stream=True) as stream:
            text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert text == raw.parse().choices[0].message.content
        assert gpt.embeddings.create(model="text-embedding-3-small", input="a").data
    with anthropic.Anthropic(base_url=url, api_key="whatever") as claude:
        said = claude.messages.with_raw_response.create(**message(question))
        assert said.headers["x-headrace-provider"] == "anthropic"
        with claude.messages.stream(**message(question)) as told:
            assert told.get_final_message().content[0].text == said.parse().content[0].text


def test_the_sdks_own_variables_point_at_the_gateway(
    url: str, question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "whatever")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "whatever")
    with openai.OpenAI() as gpt, anthropic.Anthropic() as claude:
        assert gpt.chat.completions.create(**chat(question)).choices
        assert claude.messages.create(**message(question)).content


def test_models_of_any_family_and_provider(url: str, question: str) -> None:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="-") as gpt:
        for model in ("gpt-5-nano", "o3-mini", "openai/anything", "sim-large"):
            reply = gpt.chat.completions.create(**chat(question, model=model))
            assert reply.model == model.removeprefix("openai/")
        with pytest.raises(openai.NotFoundError):
            gpt.chat.completions.create(**chat(question, model="no-such-model"))
        with pytest.raises(openai.BadRequestError, match="/v1/messages"):
            gpt.chat.completions.create(**chat(question, model="anthropic/claude-x"))


def test_models_are_those_the_providers_list(url: str, sim: ThreadedSim) -> None:
    with (
        openai.OpenAI(base_url=f"{sim.url}/v1", api_key=PROVIDER_KEY) as direct,
        openai.OpenAI(base_url=f"{url}/v1", api_key="-") as gpt,
        anthropic.Anthropic(base_url=url, api_key="-") as claude,
    ):
        listed = [model.id for model in gpt.models.list()]
        assert len(listed) == len(list(direct.models.list()))
        assert {"sim-large", "gpt-4o-mini"} <= set(listed)
        assert gpt.models.retrieve("sim-large").id == "sim-large"
        assert next(model.id for model in claude.models.list())


def test_a_key_from_the_environment_is_wanted(
    sim: ThreadedSim, question: str, tmp_path: Path
) -> None:
    environment = {"OPENAI_BASE_URL": f"{sim.url}/v1", "OPENAI_API_KEY": PROVIDER_KEY}
    with served(tmp_path, HEADRACE_KEY="hr-own", **environment) as address:
        base_url = f"{address}/v1"
        with openai.OpenAI(base_url=base_url, api_key="hr-own") as gpt:
            assert gpt.chat.completions.create(**chat(question)).choices
        with (
            openai.OpenAI(base_url=base_url, api_key="wrong") as gpt,
            pytest.raises(openai.AuthenticationError),
        ):
            gpt.chat.completions.create(**chat(question))
