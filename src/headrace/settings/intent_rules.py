"""What settings of intents demand of each other."""

from difflib import get_close_matches
from typing import Final

from headrace.settings.document import shown
from headrace.settings.intents import (
    ROUTES_MAX,
    IntentRouteSettings,
    IntentRuleSettings,
    IntentsSettings,
    IntentTemplateSettings,
)
from headrace.settings.reader import Path, Reader

_UNKNOWN: Final = "unknown"


def apply_intent_rules(reader: Reader) -> None:
    """Report what does not fit together in intents, as far as they were read."""
    routes = 0
    for path, found in list(reader.found.items()):
        match path, found.value:
            case ("intents", str()), IntentsSettings() as intents:
                routes += len(intents.routes)
                if routes > ROUTES_MAX:
                    message = f"expected at most {ROUTES_MAX} routes in all intents"
                    reader.complain((*path, "routes"), message)
                _check_intents(reader, path, intents)
            case ("intents", str(), "default"), str(model):
                _check_model(reader, path, model)
            case ("intents", str(), "routes", str()), IntentRouteSettings(model=str(model)):
                written = (*path, "model")
                _check_model(reader, written if written in reader.places else path, model)
            case ("intents", str(), "routes", str(), "template"), IntentTemplateSettings() as use:
                _check_template(reader, path, use)
            case ("intents", str(), "rules", int()), IntentRuleSettings(words=(), patterns=()):
                reader.complain(path, "expected words or patterns, found neither")
            case _:
                pass


def _check_intents(reader: Reader, path: Path, intents: IntentsSettings) -> None:
    if intents.weights is None and not intents.rules:
        told = any((*path, each) in reader.places for each in ("weights", "rules"))
        if not told:
            message = "expected weights, which headrace intent train writes, or rules"
            reader.complain(path, message)
    if intents.weights is not None:
        return  # whose names are known when they are read
    known = {_UNKNOWN, *(rule.intent for rule in intents.rules)}
    for name in intents.routes:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            reader.complain((*path, "routes", name), f"no rule tells this intent{hint}")


def _check_model(reader: Reader, path: Path, model: str) -> None:
    known = {name for room in ("models", "tiers") for name in _names(reader, room)}
    provider, slash, name = model.partition("/")
    if model in known or (slash and name and provider in _names(reader, "providers")):
        return
    if model in _names(reader, "intents"):
        reader.complain(path, "an intent leads to a model or to tiers, and not to intents")
        return
    near = get_close_matches(model, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "it must be one of models, or provider/model"
    reader.complain(path, f"unknown model {shown(model)}; {hint}")


def _check_template(reader: Reader, path: Path, use: IntentTemplateSettings) -> None:
    folder = reader.found.get(("templates", "path"))
    if ("templates", "path") not in reader.places or (folder is not None and folder.value is None):
        reader.complain(path, "there are no templates: templates.path names their directory")
    if use.turn is not None and use.turn in use.variables:
        message = "what the user said last stands there already, by turn"
        reader.complain((*path, "variables", use.turn), message)


def _names(reader: Reader, room: str) -> set[str]:
    """What is named there; what could not be read counts: its problem is reported already."""
    return {str(place[1]) for place in reader.places if place[:1] == (room,) and len(place) == 2}
