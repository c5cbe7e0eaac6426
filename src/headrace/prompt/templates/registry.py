"""A directory of templates, for programs."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from headrace.errors import InvalidRequest
from headrace.prompt.templates.building import build
from headrace.prompt.templates.files import read_directory, stamp
from headrace.prompt.templates.names import Reference, parse_reference
from headrace.prompt.templates.problems import invalid
from headrace.prompt.templates.rendering import new_mark
from headrace.prompt.templates.shelf import Shelf, changed
from headrace.prompt.templates.template import RenderedTemplate, Template


class TemplateInfo(msgspec.Struct, frozen=True):
    """What is known of one template.

    Attributes:
        name: what it is called.
        versions: its numbers, empty where it has none.
        labels: what its labels stand at.
        description: what the version that is usually meant is for.
        variables: what that version takes, each with what it has to be.
    """

    name: str
    versions: tuple[int, ...]
    labels: Mapping[str, int]
    description: str
    variables: Mapping[str, str]


class Found(msgspec.Struct, frozen=True):
    """Files that were read and checked, and are not in force yet.

    Attributes:
        shelf: the set that they make.
        stamp: tells them from others.
    """

    shelf: Shelf
    stamp: bytes


class TemplateRegistry:
    """The templates of a directory, checked and compiled. Any thread may use it.

    Args:
        path: the directory.

    Raises:
        SettingsInvalid: a file cannot be used, or minijinja is not installed; the message holds
            every problem, each on a line of its own as `file:line: message`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._mark = new_mark()
        self._stamp = stamp(self.path)
        self._shelf = self._read()

    @property
    def shelf(self) -> Shelf:
        """The set in force, which itself never changes."""
        return self._shelf

    @property
    def stamp(self) -> bytes:
        """What tells the files in force from others: as `files.stamp` says."""
        return self._stamp

    def render(
        self,
        name: str,
        /,
        *,
        label: str | None = None,
        version: int | None = None,
        variables: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> RenderedTemplate:
        """Write the text of a template.

        Args:
            name: which one; `name@label` and `name@3` will do as well.
            label: whose version; by default `production`, or the highest number where there is no
                such label.
            version: the very number, in place of a label.
            variables: what it is written for.
            more: the same by keyword.

        Returns:
            `messages`, or all of it as one `text`.

        Raises:
            NotFound: there is no such template, label or number.
            InvalidRequest: the variables are not what it wants, or it cannot be written for them.
        """
        shelf = self._shelf
        template = shelf.usual.get(name) if label is None and version is None else None
        if template is None:
            template = shelf.find(_reference(name, label, version))
        given = more if not variables else {**variables, **more} if more else variables
        return shelf.press.render(template, given)

    def find(self, name: str, *, label: str | None = None, version: int | None = None) -> Template:
        """The version that `render` would take.

        Raises:
            NotFound: there is no such template, label or number.
        """
        return self._shelf.find(_reference(name, label, version))

    def precompile_all(self) -> int:
        """Compile every version for every way it may be rendered; says how many there are."""
        shelf = self._shelf
        shelf.press.precompile()
        return len(shelf.templates)

    def templates(self) -> tuple[TemplateInfo, ...]:
        """Everything that can be rendered, by name."""
        return tuple(_info(self._shelf, name) for name in sorted(self._shelf.versions))

    def reload(self) -> bool:
        """Read the directory again where a file of it has changed; says whether anything has.

        Raises:
            SettingsInvalid: a file cannot be used, or a number stands for another text than
                before; the old set stays.
        """
        found = self.look()
        self.take(found)
        return found is not None

    def look(self) -> Found | None:
        """What `reload` would take up; `None` where nothing has changed.

        Raises:
            SettingsInvalid: as `reload` says.
        """
        now = stamp(self.path)
        if now == self._stamp:
            return None
        new = self._read()
        problems = changed(self._shelf, new)
        if problems:
            raise invalid(problems)
        return Found(new, now)

    def take(self, found: Found | None) -> None:
        """Take up what `look` found."""
        if found is not None:
            self._shelf, self._stamp = found.shelf, found.stamp

    def _read(self) -> Shelf:
        found = read_directory(self.path)
        return build(found, self._mark)


def _reference(name: str, label: str | None, version: int | None) -> Reference:
    if label is None and version is None:
        return parse_reference(name)
    if label is not None and version is not None:
        raise InvalidRequest("Give a label or a version, not both.", code="invalid_value")
    return Reference(name, label, version)


def _info(shelf: Shelf, name: str) -> TemplateInfo:
    usual = shelf.find(Reference(name))
    numbers = tuple(number for number in shelf.versions[name] if number)
    fields = usual.wanted.shape.fields
    told = {
        each: shape.told + (" (optional)" if shape.is_optional else "")
        for each, shape in fields.items()
    }
    return TemplateInfo(name, numbers, shelf.labels.get(name, {}), usual.description, told)
