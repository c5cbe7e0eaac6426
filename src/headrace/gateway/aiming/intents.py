"""Intents: a name that callers use, answered by the model that is there for what they want."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

import msgspec

from headrace.errors import HeadraceError, SettingsInvalid
from headrace.flow.scheduler import Priority
from headrace.gateway.aiming.asked import Asked, TemplateUse, Terms
from headrace.gateway.aiming.asked_text import asked_text
from headrace.gateway.reader import Remarks
from headrace.model import DialectName
from headrace.observe.aim_metrics import AimMetrics
from headrace.prompt.templates.names import parse_reference
from headrace.routing.directory import Directory, Target
from headrace.settings import Settings
from headrace.settings.intents import IntentRouteSettings, IntentsSettings

if TYPE_CHECKING:
    from headrace.routing.intent.classifier import IntentClassifier

Classifiers = Mapping[str, "IntentClassifier"]
"""Who tells intents, by the name that callers use."""

_UNKNOWN: Final = "unknown"
_DIALECTS: Final[tuple[DialectName, ...]] = ("openai", "anthropic")
# No more is read of a text.
_CHARS_MAX: Final = 4096


class IntentRoute(msgspec.Struct, frozen=True):
    """Where requests of one intent go.

    Attributes:
        number: of the route among those of all names, from 1.
        model: who answers, by dialect; a dialect that reaches it not is not there.
        terms: how they are served.
        template: what they are put into.
    """

    number: int
    model: Mapping[DialectName, str]
    terms: Terms | None = None
    template: TemplateUse | None = None


class IntentShot(msgspec.Struct, frozen=True):
    """What a request wants, and what follows.

    Attributes:
        model: who answers; `None`: whom the name itself leads to.
    """

    model: str | None
    intent: str
    terms: Terms | None
    template: TemplateUse | None
    remarks: Remarks


class IntentDesk:
    """The intents of one name. Belongs to one event loop.

    Args:
        classifier: tells them.
        default: where those go that have no route.
        routes: by intent.
        metrics: counts.
    """

    def __init__(
        self,
        classifier: "IntentClassifier",
        default: IntentRoute,
        routes: Mapping[str, IntentRoute],
        metrics: AimMetrics,
    ) -> None:
        self._classifier = classifier
        self._default = default
        self._routes = dict(routes)
        self._metrics = metrics
        self._counts = dict.fromkeys((*classifier.names, _UNKNOWN), 0)

    def aim(self, asked: Asked) -> IntentShot:
        """Tell what the user wants who spoke last, and where that leads."""
        intent = self._classifier.classify(asked_text(asked.document, _CHARS_MAX))
        route = self._routes.get(intent.name, self._default)
        if asked.counts:
            self._counts[intent.name] += 1
            self._metrics.intent_told(route.number, is_known=intent.is_known)
        told = f"{intent.name};confidence={intent.confidence:.2f}"
        model = route.model.get(asked.call.dialect.name)
        remarks = (("intent", told),)
        return IntentShot(model, intent.name, route.terms, route.template, remarks)

    def told(self) -> dict[str, Any]:
        """How often each was told in this worker, and where it leads, as plain data."""
        return {
            name: {
                "requests": count,
                "route": self._routes[name].number if name in self._routes else None,
                "models": dict(self._routes.get(name, self._default).model),
            }
            for name, count in self._counts.items()
        }


def read_classifiers(settings: Settings) -> Classifiers:
    """Who tells the intents that settings want told.

    Raises:
        SettingsInvalid: weights or rules cannot be used, a package is missing, or a route is for an
            intent that nobody tells.
    """
    found = {}
    for name, each in settings.intents.items():
        try:
            found[name] = _classifier(each)
        except ImportError as error:
            raise SettingsInvalid(
                f"intents.{name}: a package is missing ({error}). "
                "Install what it needs: pip install 'headrace[intent]'"
            ) from error
        except SettingsInvalid as error:
            raise SettingsInvalid(f"intents.{name}: {error.message}") from error
        _check_routes(name, each, found[name])
    return found


def make_desks(
    settings: Settings, classifiers: Classifiers, directory: Directory, metrics: AimMetrics
) -> dict[str, IntentDesk]:
    """The desks of all names.

    Args:
        settings: what to go by.
        classifiers: as `read_classifiers` gave them for these settings.
        directory: where models lead.
        metrics: counts.
    """
    desks, number = {}, 0
    for name, each in settings.intents.items():
        default = IntentRoute(0, _reached(each.default, settings, directory))
        routes = {}
        for intent, route in each.routes.items():
            number += 1
            model = default.model
            if route.model is not None:
                model = {**model, **_reached(route.model, settings, directory)}
            routes[intent] = IntentRoute(number, model, _terms(route), template_use(route))
        desks[name] = IntentDesk(classifiers[name], default, routes, metrics)
    return desks


def intent_models(
    settings: Settings, models: Mapping[str, tuple[Target, ...]]
) -> dict[str, tuple[Target, ...]]:
    """Names that only intents have, and the targets to be listed for them.

    Args:
        models: the targets of each other name.
    """
    extra = {}
    for name, each in settings.intents.items():
        if models and name not in models:
            wanted = (each.default, *(route.model for route in each.routes.values() if route.model))
            found = [models.get(model) or (Target.parse(model),) for model in wanted]
            extra[name] = tuple(dict.fromkeys(target for targets in found for target in targets))
    return extra


def _classifier(intents: IntentsSettings) -> "IntentClassifier":
    from headrace.routing.intent.classifier import IntentClassifier
    from headrace.routing.intent.rules import Rule

    rules = [Rule(each.intent, each.words, each.patterns) for each in intents.rules]
    if intents.weights is None:
        return IntentClassifier(rules=rules)
    return IntentClassifier.load(intents.weights, rules)


def _check_routes(name: str, intents: IntentsSettings, classifier: "IntentClassifier") -> None:
    known = {*classifier.names, _UNKNOWN}
    for intent in intents.routes:
        if intent not in known:
            near = get_close_matches(intent, sorted(known), n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
            raise SettingsInvalid(
                f"intents.{name}.routes.{intent}: neither weights nor rules tell this; {hint}"
            )


def _terms(route: IntentRouteSettings) -> Terms | None:
    priority = None if route.priority is None else Priority[route.priority.upper()]
    terms = Terms(priority, route.cache, route.ttl_s)
    return None if terms == Terms() else terms


def template_use(route: IntentRouteSettings) -> TemplateUse | None:
    """The template that a route puts requests into.

    Raises:
        InvalidRequest: it is called as no template can be.
    """
    use = route.template
    if use is None:
        return None
    return TemplateUse(parse_reference(use.name), use.turn or "", use.variables)


def _reached(model: str, settings: Settings, directory: Directory) -> dict[DialectName, str]:
    """The model under each dialect that reaches it."""
    found = {}
    for dialect in _DIALECTS:
        try:
            if model not in settings.tiers:
                directory.resolve(model, dialect)
        except HeadraceError:
            continue
        found[dialect] = model
    return found
