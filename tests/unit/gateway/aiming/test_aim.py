"""Where requests are aimed, and what is kept when settings change."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from headrace.cache.key import repeat_key
from headrace.clock import SystemClock
from headrace.dialects.base import Operation
from headrace.dialects.openai import OpenAIDialect
from headrace.errors import SettingsInvalid
from headrace.gateway.aiming.aim import Aim, Aims, extra_models, read_weights
from headrace.gateway.aiming.asked import Aimed
from headrace.gateway.call import Hints, Stopwatch, make_call
from headrace.gateway.order import Order
from headrace.gateway.reader import Nobody
from headrace.observe.aim_metrics import AimMetrics
from headrace.observe.cells import Cells
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.routing.directory import Directory, Target
from headrace.settings import Settings, parse_settings

EASY, HARD = "hi, thanks", "Prove why, step by step:\n1. derive it\n2. analyze it\n```\nx\n```?" * 3
MODELS = {"fast": ("one/f",), "smart": ("one/s",)}
TIERS = {"auto": {"cheap": "fast", "strong": "smart", "cheap_below": 0.3}}
ARMS = [{"name": "a", "model": "fast", "weight": 1}, {"name": "b", "model": "smart", "weight": 0}]


def settings(**more: Any) -> Settings:
    return parse_settings(
        yaml.safe_dump(
            {
                "providers": {"one": {"dialect": "openai", "base_url": "http://127.0.0.1:1/v1"}},
                "models": {name: {"targets": list(to)} for name, to in MODELS.items()},
                **more,
            }
        ),
        {},
    )


class World:
    """Aims with metrics that can be read."""

    def __init__(self) -> None:
        layout = Layout()
        cells = Cells(layout.size)
        self.row = cells.row(0)
        self.metrics = Metrics(layout, self.row, cells.slots, SystemClock())
        self.aims = Aims(SystemClock(), AimMetrics(self.metrics))

    def change(self, **more: Any) -> Aim | None:
        models = {name: tuple(map(Target.parse, to)) for name, to in MODELS.items()}
        return self.aims.change(
            settings(**more), None, {}, Directory({"one": "openai"}, models), lambda target: None
        )

    @property
    def choices(self) -> float:
        place = self.metrics.model_choices.place
        return sum(self.row[index] for index, _ in place.each())


def at(
    aim: Aim | None,
    text: str,
    *,
    model: str = "auto",
    session: bytes = b"",
    operation: Operation = Operation.CHAT,
    counts: bool = True,
) -> Aimed | None:
    assert aim is not None
    call = make_call(OpenAIDialect(), operation, "t", Hints(session=session), ())
    document: Mapping[str, Any] = {"messages": [{"role": "user", "content": text}]}
    return aim.at(call, model, document, len(text), counts=counts)


def model_of(aimed: Aimed | None) -> str:
    assert aimed is not None
    return aimed.model


def test_nothing_is_aimed_where_nothing_is_set() -> None:
    assert World().change() is None


def test_other_names_and_embeddings_go_where_they_say() -> None:
    aim = World().change(tiers=TIERS)
    assert at(aim, EASY, model="fast") is None
    assert at(aim, EASY, operation=Operation.EMBEDDINGS) is None
    assert model_of(at(aim, EASY)) == "fast"
    assert model_of(at(aim, HARD)) == "smart"


def test_what_the_cache_asks_by_itself_leaves_no_trace() -> None:
    world = World()
    aim = world.change(tiers=TIERS, experiments={"e": {"model": "fast", "arms": ARMS}})
    assert model_of(at(aim, HARD, session=b"s", counts=False)) == "smart"
    assert model_of(at(aim, EASY, session=b"s")) == "fast"
    assert world.choices == 1
    assert aim is not None
    at(aim, EASY, model="fast", counts=False)
    assert aim.told()["experiments"]["e"]["arms"]["a"]["requests"] == 1  # by the tier's model


def written(text: str, model: str) -> bytes:
    """A request, as a caller may write it."""
    messages = msgspec.json.encode([{"role": "user", "content": text}])
    return b'{"model": "%b",  "messages": %b, "seed": 1.0}' % (model.encode(), messages)


def taken(aim: Aim, text: str, purpose: str = "", model: str = "auto") -> Order:
    """An order that took aim."""
    dialect = OpenAIDialect()
    call = make_call(dialect, Operation.CHAT, "t", Hints(), ())
    body = written(text, model)
    order = Order(call, body, Nobody(), Stopwatch(lambda: 0.0, 0.0), purpose=purpose)
    order.document = msgspec.json.decode(body)
    order.view = dialect.read_request(Operation.CHAT, order.document)
    order.take_aim(aim)
    return order


def test_an_order_that_is_aimed_is_another_request_under_its_own_bytes() -> None:
    tiers = {"auto": {**TIERS["auto"], "cheap": {"model": "fast", "output_tokens_max": 9}}}
    aim = World().change(tiers=tiers)
    assert aim is not None
    order = taken(aim, EASY)
    sent = msgspec.json.decode(order.body)
    assert (sent["model"], sent["max_tokens"]) == ("fast", 9)
    assert sent == order.document
    assert b'"seed":1.0' in order.body  # what is not changed keeps its very bytes
    assert order.view.model == "fast"
    assert order.remarks == (("tier", "cheap;why=score"),)
    assert order.digest == repeat_key(order.call.repeat_scope, written(EASY, "auto"))


def test_what_is_asked_ahead_is_chosen_and_what_is_asked_again_is_not() -> None:
    world = World()
    aim = world.change(tiers=TIERS)
    assert aim is not None
    assert taken(aim, EASY, "warm").view.model == "fast"
    # It names the model that was chosen, which may have tiers of its own by now.
    assert taken(aim, EASY, "prefetch").view.model == "auto"
    assert taken(aim, EASY, "refresh").aimed is None
    assert world.choices == 0


def test_sessions_and_books_outlive_other_models_and_modes() -> None:
    world = World()
    experiment = {"e": {"model": "one/x", "arms": ARMS}}
    aim = world.change(tiers=TIERS, experiments=experiment)
    at(aim, HARD, session=b"s")
    at(aim, EASY, model="one/x")
    other = {"auto": {**TIERS["auto"], "strong": "one/larger"}}
    aim = world.change(tiers=other, experiments=experiment)
    assert model_of(at(aim, EASY, session=b"s")) == "one/larger"
    assert aim is not None
    assert aim.told()["experiments"]["e"]["arms"]["a"]["requests"] == 1
    # Thresholds that are set otherwise begin anew.
    aim = world.change(tiers={"auto": {**TIERS["auto"], "cheap_below": 0.31}})
    assert model_of(at(aim, EASY, session=b"s")) == "fast"


def test_names_of_tiers_are_listed_with_the_strongest_in_front() -> None:
    models = {name: tuple(map(Target.parse, to)) for name, to in MODELS.items()}
    found = extra_models(settings(tiers=TIERS), models)
    assert found == {"auto": (Target("one", "s"), Target("one", "f"))}
    assert extra_models(settings(tiers={"smart": TIERS["auto"]}), models) == {}
    assert extra_models(settings(tiers=TIERS), {}) == {}


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "cannot be used"), (b"", "no file of"), (b"\0" * 100_000, "larger than")],
)
def test_weights_that_cannot_be_used_are_told_with_their_file(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    path = tmp_path / "weights.json"
    path.write_bytes(b"{}")
    wanted = settings(complexity={"weights": str(path)})
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(SettingsInvalid, match=why) as refused:
        read_weights(wanted)
    assert str(path) in refused.value.message


def test_no_weights_are_the_guess() -> None:
    assert read_weights(settings()) is None
