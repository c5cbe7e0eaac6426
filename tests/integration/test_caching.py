"""What is answered from memory, to whom, for how long and in which shape."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import ANTHROPIC, OPENAI, SPEECHES, House, Speech
from tests.support.provider import ScriptedProvider, scripted, sized, streamed
from tests.support.replies import DONE, completion, delta
from tests.support.wire import Response

from headrace.sim.options import SimOptions
from headrace.sim.thread import running

speeches = pytest.mark.parametrize("speech", SPEECHES, ids=lambda speech: speech.name)
both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def text_of(speech: Speech, response: Response) -> str:
    """The text of an answer in either shape."""
    if not response.headers["content-type"].startswith("text/event-stream"):
        document = response.json()
        if speech is ANTHROPIC:
            return "".join(block["text"] for block in document["content"])
        return str(document["choices"][0]["message"]["content"])
    events = [json.loads(event) for event in response.events if event != "[DONE]"]
    if speech is ANTHROPIC:
        deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
        return "".join(delta["text"] for delta in deltas)
    choices = [event["choices"][0] for event in events if event["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


@speeches
@both
def test_a_repeat_is_answered_from_memory(house: House, speech: Speech, stream: bool):
    model = house.model(speech.lane("sim"))
    document = speech.document(model, stream=stream)
    first, *repeats = [house.ask(speech, document) for _ in range(3)]
    assert (first.cache, "age" in first.headers) == ("miss", False)
    for repeat in repeats:
        assert (repeat.cache, repeat.body) == ("l1", first.body)
        assert repeat.headers["content-type"] == first.headers["content-type"]
        assert repeat.headers["x-headrace-cost-usd"] == "0"
        assert repeat.headers["x-headrace-attempts"] == "0"
        assert 0 <= int(repeat.headers["age"]) < 60
        assert "x-upstream-request-id" not in repeat.headers
    assert house.calls(model) == 1


def test_what_only_tells_the_provider_what_to_keep_does_not_count(house: House):
    model = house.model("claude-sim")
    document = ANTHROPIC.document(model, system=[{"type": "text", "text": "Be brief."}])
    mark = {"cache_control": {"type": "ephemeral"}}
    marked = {**document, "system": [{**document["system"][0], **mark}]}
    assert house.ask(ANTHROPIC, document).cache == "miss"
    assert house.ask(ANTHROPIC, marked).cache == "l1"
    assert house.ask(ANTHROPIC, {**document, **mark}).cache == "l1"
    other = {**document, "system": [{"type": "text", "text": "Be cache_control."}]}
    assert house.ask(ANTHROPIC, other).cache == "miss"

    model = house.model()
    part = {"type": "text", "text": "Tell me of water."}
    here = {"prompt_cache_breakpoint": {"mode": "explicit"}}
    document = OPENAI.document(model, messages=[{"role": "user", "content": [part]}])
    marked = {**document, "messages": [{"role": "user", "content": [{**part, **here}]}]}
    assert house.ask(OPENAI, {**document, "prompt_cache_key": "k"}).cache == "miss"
    assert house.ask(OPENAI, {**marked, "prompt_cache_options": {}}).cache == "l1"


def test_the_order_of_fields_and_white_space_do_not_count(house: House):
    model = house.model()
    document = OPENAI.document(model, temperature=1)
    spelt = json.dumps(dict(reversed(document.items())), indent=3).replace(": 1", ": 1.0")
    assert house.ask(OPENAI, document).cache == "miss"
    assert house.gateway.post(OPENAI.path, body=spelt.encode()).cache == "l1"
    assert house.calls(model) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0.7},
        {"seed": 1},
        {"n": 2},
        {"unknown_field": [1, 2]},
        {"messages": [{"role": "user", "content": "Tell me of water"}]},
        {"user": "somebody"},
    ],
    ids=str,
)
def test_everything_else_counts(house: House, fields: dict[str, Any]):
    document = OPENAI.document(house.model())
    assert house.ask(OPENAI, document).cache == "miss"
    assert house.ask(OPENAI, {**document, **fields}).cache == "miss"


@speeches
@pytest.mark.parametrize("first", [False, True], ids=["whole-first", "stream-first"])
def test_an_answer_in_the_other_shape(house: House, speech: Speech, first: bool):
    model = house.model(speech.lane("sim"))
    given = house.ask(speech, speech.document(model, stream=first))
    wanted = speech.document(model, stream=not first)
    for _ in range(2):  # made anew, then found by its very bytes
        other = house.ask(speech, wanted)
        assert other.cache == "l1"
        assert other.is_whole
        assert text_of(speech, other) == text_of(speech, given) != ""
    assert house.calls(model) == 1


def usage_of(response: Response) -> Any:
    events = [json.loads(event) for event in response.events if event != "[DONE]"]
    return next((event["usage"] for event in events if event.get("usage")), None)


def test_usage_of_a_stream_is_told_only_to_who_asks_and_only_if_known(house: House):
    model = house.model()
    plain = OPENAI.document(model, stream=True)
    counted = {**plain, "stream_options": {"include_usage": True}}
    assert usage_of(house.ask(OPENAI, plain)) is None
    unknown = house.ask(OPENAI, counted)
    assert unknown.cache == "miss"  # the stored stream does not say
    assert usage_of(unknown)["completion_tokens"] > 0
    known = house.ask(OPENAI, counted)
    assert (known.cache, usage_of(known)) == ("l1", usage_of(unknown))
    told = house.ask(OPENAI, plain)
    assert (told.cache, usage_of(told)) == ("l1", None)
    whole = house.ask(OPENAI, OPENAI.document(model))
    assert (whole.cache, whole.json()["usage"]) == ("l1", usage_of(unknown))
    assert house.calls(model) == 2


def test_usage_of_a_whole_answer_is_told_in_a_stream_of_it(house: House):
    model = house.model()
    whole = house.ask(OPENAI, OPENAI.document(model))
    counted = OPENAI.document(model, stream=True, stream_options={"include_usage": True})
    streamed_ = house.ask(OPENAI, counted)
    assert (streamed_.cache, usage_of(streamed_)) == ("l1", whole.json()["usage"])


def ask_with(house: House, document: object, *cache_control: str) -> Response:
    return house.gateway.post(
        OPENAI.path,
        document,
        headers=dict(zip(("cache-control", "Cache-Control"), cache_control, strict=False)),
    )


def test_no_cache_asks_again_and_renews(house: House):
    model = house.model()
    document = OPENAI.document(model)
    assert house.ask(OPENAI, document).cache == "miss"
    assert ask_with(house, document, "no-cache").cache == "bypass"
    assert house.calls(model) == 2
    assert house.ask(OPENAI, document).cache == "l1"


def test_no_cache_stores_for_others(house: House):
    document = OPENAI.document(house.model())
    assert ask_with(house, document, "no-cache").cache == "bypass"
    assert house.ask(OPENAI, document).cache == "l1"


@pytest.mark.parametrize(
    "lines", [("no-store",), ("No-Store, max-age=9",), ("no-store", "max-age=9")]
)
def test_no_store_leaves_nothing_behind(house: House, lines: tuple[str, ...]):
    document = OPENAI.document(house.model())
    assert ask_with(house, document, *lines).cache == "bypass"
    assert house.ask(OPENAI, document).cache == "miss"


def test_max_age(house: House):
    document = OPENAI.document(house.model())
    assert ask_with(house, document, "max-age=60").cache == "miss"
    assert ask_with(house, document, "max-age=60").cache == "l1"
    assert ask_with(house, document, "max-age=0").cache == "miss"


def test_only_if_cached(house: House):
    model = house.model()
    document = OPENAI.document(model)
    refused = ask_with(house, document, "only-if-cached")
    assert (refused.status, refused.error["code"]) == (504, "not_cached")
    assert house.calls(model) == 0
    assert house.ask(OPENAI, document).cache == "miss"
    assert ask_with(house, document, "only-if-cached").cache == "l1"


def test_a_caller_may_say_how_long_its_answer_is_kept(house: House):
    kept, dropped = (OPENAI.document(house.model()) for _ in range(2))
    assert house.ask(OPENAI, kept, {"x-headrace-ttl": "3600"}).cache == "miss"
    assert house.ask(OPENAI, kept).cache == "l1"
    assert house.ask(OPENAI, dropped, {"x-headrace-ttl": "0"}).cache == "miss"
    assert house.ask(OPENAI, dropped).cache == "miss"


# Answers that the simulator never gives.


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
    with scripted() as provider:
        yield provider


@pytest.fixture(scope="module")
def gateway(
    provider: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    lane = {"base_url": provider.url + "/v1", "warm_connections": 0, "answer_mb_max": 1}
    providers = {
        "openai": {"dialect": "openai", **lane},
        "anthropic": {"dialect": "anthropic", **lane},
    }
    folder = tmp_path_factory.mktemp("scripted")
    with Gateway(folder, {"providers": providers}) as gateway:
        yield gateway


@both
def test_answers_above_the_bound(gateway: Gateway, provider: ScriptedProvider, stream: bool):
    huge = "x" * 1_100_000
    provider.answers = [sized(completion(huge))]
    if stream:
        provider.answers = [streamed(delta("a"), *[delta(huge[:9000])] * 130, DONE)]
    response = gateway.post(OPENAI.path, OPENAI.document("openai/huge", stream=stream))
    if stream:
        assert not response.is_whole
        assert OPENAI.is_error_event(response.events[-1])
    else:
        assert (response.status, response.error["code"]) == (502, "upstream_too_large")
    gateway.wait_until_quiet()


@pytest.mark.parametrize("chars", [60_000, 66_000, 900_000])
def test_large_answers_come_whole_whoever_gives_them(
    gateway: Gateway, provider: ScriptedProvider, chars: int
):
    said = completion("".join(chr(97 + place % 26) for place in range(chars)))
    provider.answers = [sized(said)]
    document = OPENAI.document("openai/large", seed=chars)
    for cache in ("miss", "l1", "l1"):  # asked, found by what it means, found by its bytes
        response = gateway.post(OPENAI.path, document)
        assert (response.cache, response.status) == (cache, 200)
        assert response.body == said
        document = dict(reversed(document.items())) if cache == "miss" else document


def test_an_event_that_breaks_off_does_not_swallow_the_error(
    gateway: Gateway, provider: ScriptedProvider
):
    provider.answers = [streamed(delta("a"), delta("b")[:-20], ends=False)]
    response = gateway.post(OPENAI.path, OPENAI.document("openai/torn", stream=True))
    assert not response.is_whole
    assert OPENAI.is_error_event(response.events[-1])


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gateway of two tenants, one of them with two keys, that keeps cool answers only."""
    keys = [("one", "a"), ("one-too", "a"), ("other", "b")]
    with running(SimOptions()) as sim:
        house = House.build(
            tmp_path_factory.mktemp("tenants"),
            sim,
            keys=[{"key": key, "tenant": tenant, "admin": True} for key, tenant in keys],
            admin_key="one",
            cache={"temperature_max": 0.5, "ttl_s": 3600},
        )
        with house.gateway:
            yield house


@speeches
@both
def test_tenants_never_share(tenants: House, speech: Speech, stream: bool):
    model = tenants.model(speech.lane("sim"))
    document = speech.document(model, stream=stream, temperature=0)
    asked = [
        tenants.ask(speech, document, {"x-api-key": key}).cache
        for key in ("one", "one", "one-too", "other", "other", "one")
    ]
    assert asked == ["miss", "l1", "l1", "miss", "l1", "l1"]
    assert tenants.calls(model) == 2


@pytest.mark.parametrize(
    ("fields", "results"),
    [
        ({"temperature": 0}, ["miss", "l1"]),
        ({"temperature": 0.5}, ["miss", "l1"]),
        ({"temperature": 0.6}, ["bypass", "bypass"]),
        ({}, ["bypass", "bypass"]),
    ],
    ids=str,
)
def test_only_cool_answers_are_kept_where_that_is_set(
    tenants: House, fields: dict[str, float], results: list[str]
):
    model = tenants.model()
    document = OPENAI.document(model, **fields)
    asked = [tenants.ask(OPENAI, document, {"x-api-key": "one"}).cache for _ in range(2)]
    assert asked == results


def test_the_version_a_caller_speaks_counts(house: House):
    model = house.model("claude-sim")
    document = ANTHROPIC.document(model)
    for version in ("2023-06-01", "2023-01-01"):
        headers = {"anthropic-version": version}
        assert house.ask(ANTHROPIC, document, headers).cache == "miss"
        assert house.ask(ANTHROPIC, document, headers).cache == "l1"
