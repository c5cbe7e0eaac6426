"""Requests that name a template: what is asked, what is stored, and what moves with a label."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.engine import StillEngine, run
from tests.support.templates import ASK, write_prompts
from tests.unit.gateway.test_relay import Reader

from headrace.cache.key import repeat_key
from headrace.dialects.base import Operation
from headrace.errors import HeadraceError
from headrace.gateway.call import Call, Hints, Stopwatch, make_call
from headrace.gateway.order import Order
from headrace.gateway.reader import Source
from headrace.gateway.templating.expansion import read_template
from headrace.prompt.templates.registry import TemplateRegistry


class Placed(Reader):
    """Remembers what it was told of where its answer comes from."""

    def placed(self, source: Source) -> None:
        self.source = source


class Asker:
    """Asks an engine as the server does: by repeat first, and then the whole way."""

    def __init__(self, still: StillEngine) -> None:
        self.still = still

    def call(self, template: str = "", operation: Operation = Operation.CHAT, **hints: Any) -> Call:
        name = "anthropic" if operation is Operation.MESSAGES else "openai"
        dialect = self.still.engine.dialects[name]
        return make_call(dialect, operation, "t", Hints(**hints), (), template=template.encode())

    def order(self, document: Any, template: str = "", **more: Any) -> Order:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        watch = Stopwatch(self.still.clock.monotonic_s, 0.0)
        return Order(self.call(template, **more), body, Placed(), watch)

    def handle(self, order: Order) -> None:
        self.still.engine.pipeline.handle_all([order])
        if order.error is not None:
            raise order.error

    async def ask(self, document: Any, template: str = "", **more: Any) -> str:
        """Where the answer came from: `repeat`, `l1` or `miss`."""
        order, pipeline = self.order(document, template, **more), self.still.engine.pipeline
        digest = repeat_key(order.call.repeat_scope, order.body)
        if pipeline.repeat(order.call, digest, self.still.clock.monotonic_s()) is not None:
            return "repeat"
        self.handle(order)
        if not self.still.sent:
            return "l1"
        await self.still.answer()
        return "miss"

    def sent(self, document: Any, template: str = "", **more: Any) -> dict[str, Any]:
        """The body that a provider is sent."""
        self.handle(self.order(document, template, joins=False, **more))
        body = self.still.sent.pop()[0].partition(b"\r\n\r\n")[2]
        sent: dict[str, Any] = json.loads(body)
        return sent


def test_one_limit_of_the_answer_and_not_two(prompts: Path) -> None:
    async def test(asker: Asker) -> None:
        sent = asker.sent({**WHY, "max_completion_tokens": 5}, "ask")
        assert sent["max_completion_tokens"] == 5
        assert "max_tokens" not in sent

    both(test, prompts)


def both(test: Any, prompts: Path) -> StillEngine:
    async def whole(still: StillEngine) -> None:
        await test(Asker(still))

    return run(whole, templates={"path": str(prompts), "poll_s": 0})


WHY = {"variables": {"question": "Why?"}}
SENT = {
    "model": "m",
    "temperature": 0.5,
    "max_tokens": 99,
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Why?"},
    ],
}


@pytest.mark.parametrize(
    ("document", "template"),
    [
        (WHY, "ask"),
        (WHY, "ask@production"),
        (WHY, "ask@1"),
        ({"template": WHY}, "ask"),
        ({"template": "ask", **WHY}, ""),
        ({"template": {"name": "ask", **WHY}}, ""),
        ({"template": {"name": "ask@1", **WHY}}, ""),
        ({"template": {"name": "ask", "label": "production"}, **WHY}, ""),
        ({"template": {"name": "ask", "version": 1}, **WHY}, ""),
    ],
)
def test_every_way_to_name_one(prompts: Path, document: Any, template: str) -> None:
    async def test(asker: Asker) -> None:
        assert asker.sent(document, template) == SENT

    both(test, prompts)


def test_the_caller_goes_before_the_template(prompts: Path) -> None:
    async def test(asker: Asker) -> None:
        more = {"model": "cheap", "temperature": 1, "max_tokens": None, "user": "u"}
        sent = asker.sent({**WHY, **more}, "ask")
        assert (sent["model"], sent["temperature"]) == ("cheap", 1)
        assert (sent["max_tokens"], sent["user"]) == (99, "u")

    both(test, prompts)


def test_a_conversation_stands_where_the_template_says(prompts: Path) -> None:
    write_prompts(prompts, {"end.prompt": '{{role "system"}}\nBe brief.'})
    history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": [{"x": 1}]}]

    async def test(asker: Asker) -> None:
        sent = asker.sent({**WHY, "messages": history}, "ask")
        assert sent["messages"] == [SENT["messages"][0], *history, SENT["messages"][1]]  # type: ignore[index]
        sent = asker.sent({"model": "m", "messages": history}, "end")
        assert sent["messages"] == [SENT["messages"][0], *history]  # type: ignore[index]

    both(test, prompts)


@pytest.mark.parametrize(
    ("own", "system"),
    [
        (None, "Be brief."),
        ("Mind me.", "Be brief.\n\nMind me."),
        (
            [{"type": "text", "text": "Mind me."}],
            [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Mind me."}],
        ),
    ],
)
def test_anthropic_has_its_system_apart(prompts: Path, own: Any, system: Any) -> None:
    from headrace.prompt.templates.document import expanded

    rendered = TemplateRegistry(prompts).render("ask", question="Why?")
    document = {"system": own, "messages": [], "stop_sequences": ["x"]}
    assert expanded(document, rendered, "anthropic") == {
        "model": "m",
        "temperature": 0.5,
        "max_tokens": 99,
        "stop_sequences": ["x"],
        "system": system,
        "messages": [{"role": "user", "content": "Why?"}],
    }


def test_the_key_is_of_what_is_asked(prompts: Path) -> None:
    async def test(asker: Asker) -> None:
        assert await asker.ask(WHY, "ask") == "miss"
        assert await asker.ask(SENT) == "l1"
        assert await asker.ask({"template": {"name": "ask", **WHY}}) == "l1"
        assert await asker.ask(WHY, "ask@1") == "l1"
        assert await asker.ask(WHY, "ask@2") == "miss"
        for template in ("ask", "ask@1", "ask@2"):
            assert await asker.ask(WHY, template) == "repeat"

    still = both(test, prompts)
    assert still.count("templates", "rendered") == 4
    assert still.engine.templates.told()["rendered"] == {"ask@1": 3, "ask@2": 1}


def test_the_header_tells_equal_bodies_apart(prompts: Path) -> None:
    """Without it a repeat of the body alone would be given another template's answer."""

    async def test(asker: Asker) -> None:
        scopes = {asker.call(each).repeat_scope for each in ("", "ask", "ask@1", "ask@2")}
        assert len(scopes) == 4
        bare = asker.call("ask").bare
        assert bare is not None
        assert bare.scope == asker.call().scope

    both(test, prompts)


@pytest.mark.parametrize("by_header", [True, False])
def test_a_moved_label_is_no_repeat(prompts: Path, *, by_header: bool) -> None:
    document, template = (WHY, "ask") if by_header else ({"template": "ask", **WHY}, "")

    async def test(asker: Asker) -> None:
        engine = asker.still.engine
        assert await asker.ask(document, template) == "miss"
        assert await asker.ask(document, template) == "repeat"
        write_prompts(prompts, {"ask/labels.yaml": "production: 2\n"})
        engine.reload(engine.settings)
        assert await asker.ask(document, template) == "miss"
        assert await asker.ask(document, template) == "repeat"
        write_prompts(prompts, {"ask/labels.yaml": "production: 1\n# back\n"})
        engine.reload(engine.settings)
        assert await asker.ask(document, template) == "l1"

    both(test, prompts)


def test_an_answer_of_before_is_no_repeat_after(prompts: Path) -> None:
    """A call was under way when the label moved: the same body means something else now."""

    async def test(asker: Asker) -> None:
        still = asker.still
        asker.handle(asker.order(WHY, "ask"))
        write_prompts(prompts, {"ask/labels.yaml": "production: 2\n"})
        still.engine.reload(still.engine.settings)
        await still.answer()
        assert await asker.ask(WHY, "ask") == "miss"

    both(test, prompts)


def test_a_refresh_asks_what_was_asked(prompts: Path) -> None:
    async def whole(still: StillEngine) -> None:
        asker = Asker(still)
        assert await asker.ask(WHY, "ask") == "miss"
        still.clock.advance(150)
        asker.handle(asker.order(WHY, "ask"))  # stale, and asked again behind
        body = still.sent[0][0].partition(b"\r\n\r\n")[2]
        assert json.loads(body) == SENT
        await still.answer()

    run(whole, templates={"path": str(prompts), "poll_s": 0}, stale_s=1000)


@pytest.mark.parametrize(
    ("document", "template", "code", "param"),
    [
        (WHY, "nothing", "unknown_template", "template"),
        (WHY, "ask@beta", "unknown_template", "template"),
        (WHY, "ask@9", "unknown_template", "template"),
        ({}, "ask", "invalid_variables", "variables.question"),
        ({"variables": {"question": 3}}, "ask", "invalid_variables", "variables.question"),
        ({"variables": []}, "ask", "invalid_value", "variables"),
        ({"template": "ask", **WHY}, "ask", "invalid_value", "template"),
        ({"template": {"name": "ask", **WHY}}, "ask", "invalid_value", "template"),
        ({"template": {**WHY}, **WHY}, "ask", "invalid_value", "template"),
        ({"template": 3}, "", "invalid_value", "template"),
        ({"template": {"nam": "ask"}}, "", "invalid_value", "template"),
        ({"template": {}}, "", "invalid_value", "template"),
        ({"template": "../ask"}, "", "invalid_value", "template"),
        (
            {"template": {"name": "ask", "label": "a", "version": 1}},
            "",
            "invalid_value",
            "template",
        ),
        ({"template": {"name": "ask", "label": 1}}, "", "invalid_value", "template"),
        ({"template": {"name": "ask", "version": "1"}}, "", "invalid_value", "template"),
        ({"template": {"name": "ask", "version": True}}, "", "invalid_value", "template"),
        ({**WHY, "messages": "x"}, "ask", "invalid_value", "messages"),
        (b'{"variables": {"question": "\\ud800"}}', "ask", "invalid_json", None),
    ],
)
def test_what_is_wrong_with_a_request(
    prompts: Path, document: Any, template: str, code: str, param: str | None
) -> None:
    async def test(asker: Asker) -> None:
        with pytest.raises(HeadraceError) as caught:
            asker.handle(asker.order(document, template))
        assert (caught.value.code, caught.value.param) == (code, param)
        assert caught.value.status == (404 if code == "unknown_template" else 400)

    both(test, prompts)


@pytest.mark.parametrize("name", ["z", "messages"])
def test_what_is_nested_too_deeply_is_refused(prompts: Path, name: str) -> None:
    """About as deeply as can be read: somewhere in between it can be read, and not be written."""

    async def test(asker: Asker) -> None:
        codes = []
        for depth in range(900, 1010):
            value = b"[" * depth + b"1" + b"]" * depth
            if name == "messages":
                value = b'[{"role":"user","content":%b}]' % value
            body = b'{"variables":{"question":"Why?"},"%b":%b}' % (name.encode(), value)
            order = asker.order(body, "ask", joins=False)
            asker.still.engine.pipeline.handle_all([order])
            codes.append(None if order.error is None else order.error.code)
        deep = codes.index("invalid_json")
        assert codes[:deep] == [None] * deep
        assert set(codes[deep:]) == {"invalid_json"}

    both(test, prompts)


def test_embeddings_take_no_template(prompts: Path) -> None:
    async def test(asker: Asker) -> None:
        order = asker.order({"model": "m", "input": "a"}, "ask", operation=Operation.EMBEDDINGS)
        with pytest.raises(HeadraceError, match="without a template"):
            asker.handle(order)

    both(test, prompts)


def test_without_templates_a_header_that_names_one_is_refused() -> None:
    with pytest.raises(HeadraceError) as caught:
        read_template({b"x-headrace-template": b"ask"}, has_templates=False)
    assert caught.value.code == "no_templates"
    assert read_template({}, has_templates=False) == b""
    assert read_template({b"x-headrace-template": b" ask@1 "}, has_templates=True) == b"ask@1"
    with pytest.raises(HeadraceError):
        read_template({b"x-headrace-template": b"../x\xff"}, has_templates=True)


def test_each_request_is_told_its_own_template(prompts: Path) -> None:
    """Two names for one request share a call, and neither is told the other's name."""
    write_prompts(prompts, {"twin.prompt": ASK})

    async def test(asker: Asker) -> None:
        still = asker.still
        orders = [asker.order(WHY, "ask"), asker.order(WHY, "twin"), asker.order(SENT)]
        readers = [order.reader for order in orders]
        still.engine.pipeline.handle_all(orders)
        assert len(still.sent) == 1
        remarks = [reader.source.remarks for reader in readers]  # type: ignore[attr-defined]
        assert remarks == [(("template", "ask@1"),), (("template", "twin"),), ()]
        await still.answer()

    both(test, prompts)
