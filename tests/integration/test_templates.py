"""Templates through a real gateway: by header and body, in both dialects, edited while it runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import ANTHROPIC, OPENAI, Speech
from tests.support.templates import front, write_prompts
from tests.support.waiting import eventually

from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

SPEECHES = pytest.mark.parametrize("speech", [OPENAI, ANTHROPIC], ids=lambda each: each.name)
TEXT = front("name: string", "config: {maxOutputTokens: 40000}\n") + (
    '{{role "system"}}\nYou greet {{ name }}.\n{{role "user"}}\nI am {{ name }}.\n'
)


@pytest.fixture(scope="module")
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as sim:
        yield sim


def settings(sim: ThreadedSim, prompts: Path, **templates: Any) -> dict[str, Any]:
    return {
        "providers": {
            speech.lane("sim"): {"dialect": speech.name, "base_url": f"{sim.url}/v1"}
            for speech in (OPENAI, ANTHROPIC)
        },
        "templates": {"path": str(prompts), "poll_s": 0.05, **templates},
    }


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_prompts(tmp_path_factory.mktemp("prompts"), {"greet/1.prompt": TEXT})


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, sim: ThreadedSim, prompts: Path
) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("gateway"), settings(sim, prompts)) as gateway:
        yield gateway


def expanded(speech: Speech, name: str, words: str = "You greet") -> dict[str, Any]:
    """What the template makes of a request, written out."""
    user = {"role": "user", "content": f"I am {name}."}
    system = f"{words} {name}."
    if speech is ANTHROPIC:
        own: dict[str, Any] = {"system": system, "messages": [user]}
    else:
        own = {"messages": [{"role": "system", "content": system}, user]}
    return {"model": speech.lane("sim/m"), "max_tokens": 40_000, **own}


@SPEECHES
def test_a_template_stands_for_what_it_says(gateway: Gateway, speech: Speech) -> None:
    name = f"Ada {speech.name}"
    short = {"model": speech.lane("sim/m"), "variables": {"name": name}}
    header = {"x-headrace-template": "greet@1"}
    first = gateway.post(speech.path, short, headers=header)
    assert (first.status, first.cache) == (200, "miss"), first
    assert first.headers["x-headrace-template"] == "greet@1"
    plain = gateway.post(speech.path, expanded(speech, name))
    assert (plain.cache, plain.body) == ("l1", first.body)
    assert "x-headrace-template" not in plain.headers
    again = gateway.post(speech.path, short, headers=header)
    assert (again.cache, again.body) == ("l1", first.body)
    inner = {"model": short["model"], "template": {"name": "greet", "variables": {"name": name}}}
    assert gateway.post(speech.path, inner).headers["x-headrace-template"] == "greet@1"


@SPEECHES
def test_a_stream_of_a_template(gateway: Gateway, speech: Speech) -> None:
    document = {"model": speech.lane("sim/m"), "variables": {"name": "Eve"}, "stream": True}
    response = gateway.post(speech.path, document, headers={"x-headrace-template": "greet"})
    assert (response.status, response.headers["x-headrace-template"]) == (200, "greet@1")
    assert speech.final in response.body.decode()


@SPEECHES
@pytest.mark.parametrize(
    ("template", "variables", "status", "code", "told"),
    [
        ("gret", {"name": "x"}, 404, "unknown_template", "did you mean greet?"),
        ("greet@9", {"name": "x"}, 404, "unknown_template", "no version 9"),
        ("greet", {"nmae": "x"}, 400, "invalid_variables", "did you mean name?"),
        ("greet", {}, 400, "invalid_variables", "`name` is missing"),
        ("../greet", {"name": "x"}, 400, "invalid_value", "names no template"),
    ],
)
def test_what_is_wrong_is_told_in_the_dialect(
    gateway: Gateway,
    speech: Speech,
    template: str,
    variables: dict[str, Any],
    status: int,
    code: str,
    told: str,
) -> None:
    document = {"model": speech.lane("sim/m"), "variables": variables}
    headers = {"x-headrace-template": template}
    response = gateway.post(speech.path, document, headers=headers)
    assert response.status == status
    error = response.error
    assert told in error["message"]
    if speech is OPENAI:
        assert error["code"] == code


def test_files_that_change_are_taken_up(tmp_path: Path, sim: ThreadedSim) -> None:
    """The same bytes are asked again after a label has moved, and get the other answer."""
    prompts = write_prompts(tmp_path / "prompts", {"greet/1.prompt": TEXT})
    document = {"model": "sim/m", "variables": {"name": "Bob"}}
    with Gateway(tmp_path / "gateway", settings(sim, prompts)) as gateway:

        def ask() -> tuple[str | None, bytes]:
            response = gateway.post(OPENAI.path, document, headers={"x-headrace-template": "greet"})
            return response.cache, response.body

        first = ask()
        assert ask() == ("l1", first[1])
        write_prompts(prompts, {"greet/2.prompt": TEXT.replace("You greet", "You know")})
        other = eventually(lambda: (found := ask())[1] != first[1] and found[1])
        assert gateway.post(OPENAI.path, expanded(OPENAI, "Bob", "You know")).body == other
        write_prompts(prompts, {"greet/labels.yaml": "production: 1\n"})
        eventually(lambda: ask()[1] == first[1])
        write_prompts(prompts, {"greet/3.prompt": "{{ x"})
        refused = eventually(
            lambda: [line for line in gateway.events() if line["event"] == "templates_refused"]
        )
        assert "greet/3.prompt:1: a tag has no end" in refused[0]["detail"]
        assert ask() == ("l1", first[1])
        assert gateway.status()["templates"]["versions"] == 2
        assert gateway.bugs() == []


def test_counts_of_templates(gateway: Gateway) -> None:
    before = gateway.metrics()
    document = {"model": "sim/m", "variables": {"name": "Count"}}
    gateway.post(OPENAI.path, document, headers={"x-headrace-template": "greet@1"})
    gateway.post(OPENAI.path, document, headers={"x-headrace-template": "nobody"})
    gateway.post(
        OPENAI.path, {**document, "variables": {}}, headers={"x-headrace-template": "greet"}
    )
    after = gateway.metrics()
    for outcome in ("rendered", "unknown", "refused"):
        name = f'headrace_templates_total{{outcome="{outcome}"}}'
        assert after[name] - before.get(name, 0) == 1
    assert gateway.status()["templates"]["rendered"]["greet@1"] >= 1


def test_a_gateway_with_broken_templates_does_not_start(tmp_path: Path, sim: ThreadedSim) -> None:
    prompts = write_prompts(tmp_path / "prompts", {"bad.prompt": "{% macro f() %}{% endmacro %}"})
    with pytest.raises(AssertionError, match=r"bad\.prompt:1"):
        Gateway(tmp_path / "gateway", settings(sim, prompts))


def test_without_templates_the_header_is_refused(tmp_path: Path, sim: ThreadedSim) -> None:
    plain = {**settings(sim, tmp_path), "templates": {}}
    with Gateway(tmp_path / "gateway", plain) as gateway:
        document = OPENAI.document("sim/m")
        response = gateway.post(OPENAI.path, document, headers={"x-headrace-template": "greet"})
        assert (response.status, response.error["code"]) == (400, "no_templates")
        gateway.write_settings(
            settings(sim, write_prompts(tmp_path / "p", {"greet.prompt": "Hi."}))
        )
        gateway.reload()
        response = gateway.post(OPENAI.path, {"model": "sim/m", "template": "greet"})
        assert response.headers["x-headrace-template"] == "greet"
