"""One version of a template, ready to be rendered, and what comes out of it."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headrace.errors import InvalidRequest
from headrace.prompt.templates.check import Wanted
from headrace.prompt.templates.words import ROLES


class Template(msgspec.Struct, frozen=True):
    """One version.

    Attributes:
        key: name and number.
        name: what it is called.
        version: its number; 0 for one without.
        path: its file, below the directory of templates.
        description: what it is for.
        model: who is asked where the caller does not say.
        config: request fields that hold where the caller does not say.
        wanted: what its variables have to be.
        body: what follows the front matter.
        uncounted_chars_max: values of so many characters cannot make it write too much, so what
            comes out is not counted; -1: it always is.
        has_roles: whether its body says whose words they are.
        includes: keys of the files that go into it.
        digest: of the file and of all that it includes.
    """

    key: str
    name: str
    version: int
    path: str
    description: str
    model: str
    config: Mapping[str, Any]
    wanted: Wanted
    body: str
    uncounted_chars_max: int
    has_roles: bool
    includes: tuple[str, ...]
    digest: bytes


class Message(msgspec.Struct, frozen=True, gc=False):
    """Whose words, and the words. The role `history` stands for the conversation so far."""

    role: str
    content: str


class RenderedTemplate(msgspec.Struct, frozen=True):
    """What a template says for some variables.

    Attributes:
        template: what was rendered.
        parts: in order; `history` among them says where a conversation goes.
    """

    template: Template
    parts: tuple[Message, ...]

    @property
    def name(self) -> str:
        """Name and number of what was rendered."""
        return self.template.key

    @property
    def model(self) -> str:
        """Who is to be asked; empty where the template does not say."""
        return self.template.model

    @property
    def config(self) -> Mapping[str, Any]:
        """Request fields, by the names of OpenAI's dialect."""
        return self.template.config

    @property
    def text(self) -> str:
        """All of it as one text."""
        return "\n\n".join([part.content for part in self.parts if part.content])

    @property
    def messages(self) -> list[dict[str, str]]:
        """What OpenAI's dialect calls `messages`; a body without roles is the user's words."""
        return [
            {"role": part.role, "content": part.content}
            for part in self.parts
            if part.role != "history"
        ]

    def __str__(self) -> str:
        return self.text


def sign_of(role: str) -> str:
    """The one character that stands for a role after a mark."""
    return _SIGNS[role]


def parts_of(text: str, mark: str, name: str) -> tuple[Message, ...]:
    """Take what was rendered apart at its marks.

    Args:
        text: what was rendered.
        mark: what begins a mark, which nothing else can hold; a sign of the role follows.
        name: what was rendered, for messages.

    Raises:
        InvalidRequest: nothing came out.
    """
    first, *pieces = text.split(mark)
    parts: list[Message] = []
    has_words = False
    if words := first.strip():
        parts.append(Message("user", words))
        has_words = True
    for each in pieces:
        role = _ROLE_OF_SIGN[each[0]]
        if role == "history":
            parts.append(Message(role, ""))
            role = "user"
        if words := each[1:].strip():
            parts.append(Message(role, words))
            has_words = True
    if not has_words:
        raise nothing_came_out(name)
    return tuple(parts)


def nothing_came_out(name: str) -> InvalidRequest:
    """Why a rendering without a word is none."""
    return InvalidRequest(
        f"Template {name} says nothing for these variables.", param="template", code="empty_prompt"
    )


_SIGNS: Final[Mapping[str, str]] = {role: str(at) for at, role in enumerate((*ROLES, "history"))}
_ROLE_OF_SIGN: Final[Mapping[str, str]] = {
    sign: ROLES.get(role, role) for role, sign in _SIGNS.items()
}
