import json
from pathlib import Path

import pytest
from tests.support.templates import front, write_prompts
from typer.testing import CliRunner, Result

from headrace.cli.main import app
from headrace.errors import HeadraceError

GREET = front("name: string\ntone?: string", "description: Greets\n") + "Hello {{ name }}."


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    files = {"greet/1.prompt": GREET, "greet/2.prompt": GREET.replace("Hello", "Good day,")}
    return write_prompts(tmp_path, {**files, "greet/labels.yaml": "production: 1\n"})


def run(*words: str, prompts: Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["templates", *words, "--dir", str(prompts)], input=stdin)


def test_list(prompts: Path) -> None:
    shown = run("list", prompts=prompts).stdout
    assert "greet" in shown
    assert "production: 1" in shown
    assert "name, tone?" in shown
    (told,) = json.loads(run("list", "--json", prompts=prompts).stdout)
    assert (told["name"], told["versions"], told["labels"]) == ("greet", [1, 2], {"production": 1})
    assert told["variables"]["name"] == "a text"


def test_check(prompts: Path) -> None:
    result = run("check", prompts=prompts)
    assert result.exit_code == 0
    assert "ok: 2 files, 1 templates" in result.stdout
    assert "note: greet/1.prompt: tone is declared and never used" in result.stdout
    assert json.loads(run("check", "--json", prompts=prompts).stdout)["ok"] is True


def test_check_tells_every_problem(prompts: Path) -> None:
    write_prompts(prompts, {"bad.prompt": "{{ x", "worse.prompt": "---\nmodle: x\n---\nbody"})
    result = run("check", prompts=prompts)
    assert result.exit_code == 1
    assert "bad.prompt:1: a tag has no end" in result.stderr
    assert "did you mean model?" in result.stderr
    told = json.loads(run("check", "--json", prompts=prompts).stdout)
    assert (told["ok"], len(told["problems"])) == (False, 2)


def test_render(prompts: Path, tmp_path: Path) -> None:
    assert "Hello Ada." in run("render", "greet", "--set", "name=Ada", prompts=prompts).stdout
    file = tmp_path / "variables.json"
    file.write_text('{"name": "Bob"}')
    result = run("render", "greet@2", "--variables", str(file), "--json", prompts=prompts)
    told = json.loads(result.stdout)
    assert told["template"] == "greet@2"
    assert told["messages"] == [{"role": "user", "content": "Good day, Bob."}]
    words = ("render", "greet", "--variables", "-", "--set", "name=Eve")
    assert "Hello Eve." in run(*words, prompts=prompts, stdin='{"name": "Bob"}').stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("greet",), "`name` is missing"),
        (("greet", "--set", "name=3"), "expected a text, found 3"),
        (("greet", "--set", "name"), "NAME=VALUE"),
        (("greet@9", "--set", "name=x"), "no version 9"),
        (("greet", "--variables", "-"), "JSON object"),
    ],
)
def test_render_tells_what_is_wrong(prompts: Path, words: tuple[str, ...], told: str) -> None:
    result = run("render", *words, prompts=prompts, stdin="[]")
    assert isinstance(result.exception, HeadraceError)
    assert told in result.exception.message


def test_diff(prompts: Path) -> None:
    result = run("diff", "greet", "production", prompts=prompts)
    assert result.exit_code == 1
    assert "-Hello {{ name }}." in result.stdout
    assert "+Good day, {{ name }}." in result.stdout
    same = run("diff", "greet", "1", "production", prompts=prompts)
    assert (same.exit_code, same.stdout) == (0, "greet@1 and greet@1 are the same.\n")
    write_prompts(prompts, {"greet/3.prompt": front("who: string") + "Hi {{ who }}."})
    told = json.loads(run("diff", "greet", "2", "--json", prompts=prompts).stdout)
    assert told["variables"] == {"added": ["who"], "removed": ["name", "tone"], "changed": []}
    assert told["same"] is False
