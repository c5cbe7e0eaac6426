"""A whole set of templates: versions, labels, and which of them is meant. Never changed."""

from collections.abc import Mapping
from typing import Final

import msgspec

from headrace.errors import NotFound
from headrace.prompt.templates.names import (
    LATEST,
    Reference,
    key_of,
    shown,
)
from headrace.prompt.templates.problems import Problem, nearest
from headrace.prompt.templates.rendering import Press
from headrace.prompt.templates.schema import Shape
from headrace.prompt.templates.template import Template

_ANY: Final = Shape("any")
_DIGEST_BYTES: Final = 16


class Shelf(msgspec.Struct, frozen=True):
    """A set of templates.

    Attributes:
        templates: all versions, by key, partials included.
        versions: the numbers of each template that callers may name; 0 alone where it has none.
        labels: what the labels of each template stand at.
        press: renders them.
        usual: what is meant by a name alone.
    """

    templates: Mapping[str, Template]
    versions: Mapping[str, tuple[int, ...]]
    labels: Mapping[str, Mapping[str, int]]
    press: Press
    usual: Mapping[str, Template]

    def find(self, reference: Reference) -> Template:
        """The version that is meant.

        Raises:
            NotFound: there is no such template, label or number.
        """
        name = reference.name
        numbers = self.versions.get(name)
        if numbers is None:
            hint = nearest(name, self.versions)
            raise _not_found(f"There is no template {shown(name)}{hint}.")
        if reference.label is None and reference.version is None:
            return self.usual[name]
        return self.templates[key_of(name, self._number(reference, numbers))]

    def _number(self, reference: Reference, numbers: tuple[int, ...]) -> int:
        name, labels = reference.name, self.labels.get(reference.name, {})
        if reference.version is not None:
            if reference.version in numbers and reference.version:
                return reference.version
            known = ", ".join(map(str, numbers)) if numbers[-1] else "none, it has no numbers"
            raise _not_found(
                f"Template {name} has no version {reference.version}; there is {known}."
            )
        if reference.label is not None and reference.label in labels:
            return labels[reference.label]
        if reference.label == LATEST:
            return numbers[-1]
        label = reference.label or ""
        hint = nearest(label, (*labels, LATEST))
        raise _not_found(f"Template {name} has no label {shown(label)}{hint}.")


def changed(old: Shelf, new: Shelf) -> list[Problem]:
    """Numbers that stand for something else than before, which they must not."""
    problems = []
    for key, template in new.templates.items():
        before = old.templates.get(key)
        if not template.version or before is None or before.digest == template.digest:
            continue
        through = [
            new.templates[name].path
            for name in template.includes
            if name in new.templates
            and (
                name not in old.templates
                or old.templates[name].digest != new.templates[name].digest
            )
        ]
        what = (
            f"what it includes has changed ({', '.join(through)})" if through else "it has changed"
        )
        number = max(new.versions.get(template.name, (template.version,))) + 1
        advice = f"put it back, and write the new text as {template.name}/{number}.prompt"
        if through:
            advice = "put that back, and include another file from a new number on"
        problems.append(Problem(template.path, 0, f"numbers never change, and {what}; {advice}"))
    return problems


def _not_found(message: str) -> NotFound:
    return NotFound(message, param="template", code="unknown_template")
