"""What is sent in place of what came, target by target."""

import json

import pytest

from headrace.errors import InvalidRequest
from headrace.gateway.draft import Document, Draft, Recipient, Said

BODY = b'{"model": "any", "messages": [],  "seed": 1}'


def to(model: str, *, refuses: bool = False) -> Recipient:
    return Recipient("openai", "p", model, "tenant", refuses)


def fail(bug: BaseException) -> None:
    raise bug


def signs(document: Document, recipient: Recipient) -> tuple[Document, Said | None]:
    """Leaves what goes to `plain` as it is."""
    if recipient.model == "plain":
        return document, None
    return {**document, "for": recipient.model}, Said("marked", recipient.model)


def test_each_target_has_its_own_and_is_remembered() -> None:
    draft = Draft(BODY, (), (signs,), fail)
    assert draft.is_fresh
    assert json.loads(draft.body(to("a")))["for"] == "a"
    assert draft.said == (Said("marked", "a"),)
    assert json.loads(draft.body(to("b")))["for"] == "b"
    assert json.loads(draft.sent("p", "a"))["for"] == "a"
    assert draft.body(to("a")) is draft.sent("p", "a")
    assert not draft.is_fresh


def test_what_no_step_changes_is_the_very_same() -> None:
    draft = Draft(BODY, (signs,), (signs,), fail)
    assert draft.body(to("plain")) is BODY
    assert draft.sent("p", "nobody") is BODY


def test_what_is_the_same_for_all_is_made_once() -> None:
    times = []

    def once(document: Document, recipient: Recipient) -> tuple[Document, Said | None]:
        times.append(recipient.model)
        return {**document, "once": True}, Said("compressed", "9>1", 8)

    draft = Draft(BODY, (once,), (signs,), fail)
    bodies = [json.loads(draft.body(to(model))) for model in ("a", "plain", "a")]
    assert [body["once"] for body in bodies] == [True] * 3
    assert times == ["a"]


def test_a_draft_gives_way_once_and_to_whom_it_changed_something() -> None:
    draft = Draft(BODY, (), (signs,), fail)
    draft.body(to("plain"))
    assert not draft.gives_way("p", "plain")
    draft.body(to("a"))
    assert draft.gives_way("p", "a")
    assert draft.body(to("a")) is draft.body(to("b")) is draft.sent("p", "a") is BODY
    assert not draft.gives_way("p", "a")


def test_a_refusal_is_told_and_nothing_is_made() -> None:
    def refuses(document: Document, recipient: Recipient) -> tuple[Document, Said | None]:
        if recipient.refuses:
            raise InvalidRequest("too long")
        return document, None

    draft = Draft(BODY, (), (refuses,), fail)
    with pytest.raises(InvalidRequest):
        draft.body(to("a", refuses=True))
    assert draft.is_fresh
    assert draft.body(to("b")) is BODY


def test_a_bug_is_told_and_what_came_is_sent() -> None:
    told: list[BaseException] = []

    def breaks(document: Document, recipient: Recipient) -> tuple[Document, Said | None]:
        raise ValueError("a step's")

    draft = Draft(BODY, (breaks,), (signs,), told.append)
    assert draft.body(to("a")) is BODY
    assert draft.body(to("b")) is BODY
    assert [str(bug) for bug in told] == ["a step's"]
    assert draft.said == ()
