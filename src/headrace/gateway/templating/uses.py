"""Templates that settings put requests into: whether they are there, and take what they are given.

What is wrong with them is found when settings or templates are read, not when somebody asks.
"""

from headrace.errors import InvalidRequest, NotFound, SettingsInvalid
from headrace.gateway.aiming.intents import template_use
from headrace.prompt.templates.shelf import Shelf
from headrace.settings import Settings

# Any words that a user might say.
_SAID = "words"


def check_uses(settings: Settings, shelf: Shelf) -> None:
    """Check the template of every intent against a set of templates.

    Raises:
        SettingsInvalid: one is not there, or does not take its variables.
    """
    for name, intents in settings.intents.items():
        for intent, route in intents.routes.items():
            try:
                use = template_use(route)
                if use is None:
                    continue
                template = shelf.find(use.reference)
                said = {use.turn: _SAID} if use.turn else {}
                template.wanted.check(template.key, {**use.variables, **said})
            except (InvalidRequest, NotFound) as error:
                where = f"intents.{name}.routes.{intent}.template"
                raise SettingsInvalid(f"{where}: {error.message}") from error
