"""Templates that change, with the settings or by themselves, and those that are refused."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.engine import settings_of
from tests.support.templates import ASK, write_prompts
from tests.unit.gateway.templating.test_templating import SENT, WHY, Asker, both

from headrace.errors import HeadraceError, SettingsInvalid
from headrace.gateway.tasks import Tasks
from headrace.gateway.templating.watch import watch_templates
from headrace.prompt.templates.registry import TemplateRegistry


def test_a_broken_file_refuses_the_reload(prompts: Path) -> None:
    async def test(asker: Asker) -> None:
        engine = asker.still.engine
        write_prompts(prompts, {"bad.prompt": "{{ x", "ask/3.prompt": ASK})
        with pytest.raises(SettingsInvalid, match=r"bad\.prompt:1"):
            engine.reload(engine.settings)
        with pytest.raises(HeadraceError):
            asker.handle(asker.order(WHY, "ask@3"))
        assert asker.sent(WHY, "ask") == SENT

    both(test, prompts)


def test_settings_that_are_refused_leave_templates_as_they_are(prompts: Path) -> None:
    async def test(asker: Asker) -> None:
        engine = asker.still.engine
        engine.templates.start(lambda: None)
        write_prompts(prompts, {"ask/labels.yaml": "production: 2\n"})
        complexity = msgspec.structs.replace(
            engine.settings.complexity, weights=str(prompts / "no")
        )
        with pytest.raises(SettingsInvalid, match=r"complexity\.weights"):
            engine.reload(msgspec.structs.replace(engine.settings, complexity=complexity))
        assert asker.sent(WHY, "ask") == SENT
        engine.reload(engine.settings)
        asker.still.pool = engine.pipeline.plan.lanes["p"].endpoint.pool
        assert asker.sent(WHY, "ask")["messages"][0]["content"] == "Be long."

    both(test, prompts)


def test_templates_come_go_and_move_with_the_settings(prompts: Path, tmp_path: Path) -> None:
    other = write_prompts(tmp_path / "other", {"ask.prompt": "{{ question }} {{ question }}"})

    async def test(asker: Asker) -> None:
        engine = asker.still.engine
        engine.reload(settings_of(templates={"path": str(other)}))
        body = {"model": "m", **WHY}
        assert asker.sent(body, "ask")["messages"] == [{"role": "user", "content": "Why? Why?"}]
        engine.reload(settings_of())
        assert engine.pipeline.templating is None
        assert engine.templates.told() == {}
        engine.reload(settings_of(templates={"path": str(prompts)}))
        assert asker.sent(WHY, "ask") == SENT
        with pytest.raises(SettingsInvalid, match="cannot be read"):
            engine.reload(settings_of(templates={"path": str(tmp_path / "nowhere")}))
        assert asker.sent(WHY, "ask") == SENT

    both(test, prompts)


def test_files_are_watched(prompts: Path) -> None:
    registry = TemplateRegistry(prompts)
    said: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    changes: list[str] = []
    bugs: list[BaseException] = []

    def say(level: str, event: str, about: str = "", **fields: Any) -> None:
        said.put_nowait((level, event))

    async def whole() -> None:
        tasks = Tasks(bugs.append)
        tasks.spawn(
            watch_templates(registry, 0.005, lambda _: None, lambda: changes.append("new"), say)
        )
        write_prompts(prompts, {"ask/labels.yaml": "production: 2\n"})
        assert await said.get() == ("info", "templates_loaded")
        assert registry.render("ask", question="x").name == "ask@2"
        write_prompts(prompts, {"ask/1.prompt": "changed"})
        assert await said.get() == ("error", "templates_refused")
        assert registry.render("ask@1", question="x").messages[0]["content"] == "Be brief."
        write_prompts(prompts, {"ask/1.prompt": ASK, "ask/3.prompt": ASK})
        assert await said.get() == ("info", "templates_loaded")
        assert registry.render("ask@3", question="x").name == "ask@3"
        await tasks.close()

    asyncio.run(asyncio.wait_for(whole(), 60))
    assert (changes, bugs) == (["new", "new"], [])
