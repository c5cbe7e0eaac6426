"""What keeps a conversation from going on, in words for its caller."""

from typing import Final

from headrace.errors import InvalidRequest, NotFound, Overloaded

_RETRY_AFTER_S: Final = 2.0


def no_response(response_id: str) -> NotFound:
    """There is none of this id, or it is another tenant's, which is the same."""
    return NotFound(f"Response with id '{response_id[:100]}' not found.", code="response_not_found")


def no_previous(response_id: str) -> InvalidRequest:
    """The same of one to go on from, or of one that led to it; OpenAI's status for it is 400."""
    return InvalidRequest(
        f"Previous response with id '{response_id[:100]}' not found.",
        code="previous_response_not_found",
        param="previous_response_id",
    )


def no_conversation(conversation_id: str, param: str | None = None) -> NotFound:
    """There is none of this id, or it is another tenant's."""
    return NotFound(
        f"Conversation with id '{conversation_id[:100]}' not found.",
        code="conversation_not_found",
        param=param,
    )


def no_item(item_id: str, param: str | None = None) -> NotFound:
    """There is none of this id where it was looked for."""
    return NotFound(
        f"Item with id '{item_id[:100]}' not found.", code="item_not_found", param=param
    )


def turned_off(param: str) -> InvalidRequest:
    """Nothing is kept here."""
    return InvalidRequest(
        f"`{param}`: this gateway keeps no conversations; send the whole of it as `input`, or set "
        "conversations.enabled.",
        param=param,
        code="conversations_off",
    )


def too_long(param: str, setting: str, limit: int) -> InvalidRequest:
    """More was said than a request may go on from."""
    return InvalidRequest(
        f"`{param}`: what was said so far is more than conversations.{setting} ({limit}); begin "
        "anew with a summary of it as `input`.",
        param=param,
        code="conversation_too_long",
    )


def too_many_references(many: int, many_max: int) -> InvalidRequest:
    """A request only names more items than it may."""
    return InvalidRequest(
        f"`input` names {many} items that are kept: name at most {many_max}.",
        param="input",
        code="invalid_value",
    )


def in_conversation(response_id: str, conversation_id: str) -> InvalidRequest:
    """A response of a conversation is gone on from by that conversation."""
    return InvalidRequest(
        f"Response '{response_id}' is part of conversation '{conversation_id}': send that as "
        "`conversation` instead.",
        param="previous_response_id",
        code="invalid_value",
    )


def unreachable(what: str) -> Overloaded:
    """The store cannot be reached, or takes too long."""
    return Overloaded(
        f"{what}: the store cannot be reached now. Try again.",
        code="store_unavailable",
        retry_after_s=_RETRY_AFTER_S,
    )
