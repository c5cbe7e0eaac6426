"""The aim: from the name that a caller wrote to the model whose targets are asked.

Intents come first: what is wanted leads to a name. Then experiments, so that an arm may be a name
that has tiers; then tiers; and an experiment on the model that a tier leads to, for who is in none
yet.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from headrace.clock import Clock
from headrace.dialects.base import Operation
from headrace.errors import HeadraceError, SettingsInvalid
from headrace.gateway.aiming.arms import ArmBook, ArmTerms, Experiment, make_books
from headrace.gateway.aiming.asked import Aimed, Asked
from headrace.gateway.aiming.intents import Classifiers, IntentDesk, intent_models, make_desks
from headrace.gateway.aiming.tiers import (
    TierDesk,
    TierModel,
    limits_answer,
    make_chooser,
    make_reach,
    models_of,
)
from headrace.gateway.call import Call
from headrace.model import DialectName, Price
from headrace.observe.aim_metrics import AimMetrics
from headrace.routing.complexity.weights import (
    FILE_BYTES_MAX,
    Weights,
    WeightsBroken,
    decode_weights,
)
from headrace.routing.directory import Directory, Target
from headrace.routing.tiers import Tier, TierChooser
from headrace.settings import Settings
from headrace.settings.tiers import TierModelSettings, TiersSettings

PriceOf = Callable[[Target], Price | None]

_DIALECTS: tuple[DialectName, ...] = ("openai", "anthropic")


class Aim:
    """Aims requests. Belongs to one event loop; replaced as a whole on reload.

    Args:
        intents: by the name that callers use.
        tiers: by the name that callers use, or that an intent leads to.
        experiments: by the model that they are about.
        clock: the time.
    """

    def __init__(
        self,
        intents: Mapping[str, IntentDesk],
        tiers: Mapping[str, TierDesk],
        experiments: Mapping[str, Experiment],
        clock: Clock,
    ) -> None:
        self._intents = intents
        self._tiers = tiers
        self._experiments = experiments
        self._now_s = clock.monotonic_s

    def at(
        self, call: Call, model: str, document: Mapping[str, Any], body_bytes: int, *, counts: bool
    ) -> Aimed | None:
        """Where a request goes; `None` where its name leads where it says.

        Args:
            call: what its head says.
            model: the name that it gives.
            document: its body, decoded.
            body_bytes: the size of that.
            counts: whether a caller asks, and not the cache by itself.
        """
        if call.grammar.operation is Operation.EMBEDDINGS:
            return None
        asked = Asked(call, document, body_bytes, counts=counts, now_s=self._now_s())
        intents = self._intents.get(model)
        if intents is None:
            return self._beyond(asked, model)
        wanted = intents.aim(asked)
        model = wanted.model or model
        aimed = self._beyond(asked, model) or Aimed(model)
        return msgspec.structs.replace(
            aimed,
            remarks=wanted.remarks + aimed.remarks,
            intent=wanted.intent,
            terms=wanted.terms,
            template=wanted.template,
        )

    def _beyond(self, asked: Asked, model: str) -> Aimed | None:
        """Where it goes from there on, by experiments and tiers."""
        arm = self._arm(asked, model)
        named = model if arm is None else arm.arm.model
        desk = self._tiers.get(named)
        shot = None if desk is None else desk.aim(asked)
        if shot is None:
            return None if arm is None else Aimed(named, remarks=arm.remarks, books=(arm,))
        changes: Mapping[str, Any] = {}
        if not shot.is_shadow:
            named = shot.chosen.model
            if arm is None and (arm := self._arm(asked, named)) is not None:
                named = arm.arm.model
            if not limits_answer(asked.document, asked.call.grammar.operation):
                changes = shot.changes
        if arm is None:
            return Aimed(named, changes, shot.remarks, (shot,), cheaper=shot.below)
        remarks = shot.remarks + arm.remarks
        return Aimed(named, changes, remarks, (shot, arm), cheaper=shot.below)

    def told(self) -> dict[str, Any]:
        """Intents, tiers and experiments as plain data."""
        now_s = self._now_s()
        return {
            "intents": {name: desk.told() for name, desk in self._intents.items()},
            "tiers": {name: desk.told(now_s) for name, desk in self._tiers.items()},
            "experiments": {
                each.name: {"model": model, "arms": each.told()}
                for model, each in self._experiments.items()
            },
        }

    def _arm(self, asked: Asked, model: str) -> ArmBook | None:
        experiment = self._experiments.get(model)
        return None if experiment is None else experiment.aim(asked)


class Aims:
    """Makes aims of settings, and keeps through reloads what was learnt. Belongs to one event loop.

    Args:
        clock: the time.
        metrics: counts.
    """

    def __init__(self, clock: Clock, metrics: AimMetrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._weights: Weights | None = None
        self._choosers: dict[str, tuple[TiersSettings, TierChooser]] = {}
        self._books: dict[ArmTerms, ArmBook] = {}

    def change(
        self,
        settings: Settings,
        weights: Weights | None,
        classifiers: Classifiers,
        directory: Directory,
        price_of: PriceOf,
    ) -> Aim | None:
        """The aim that settings want; `None` where the name that a caller writes is enough.

        Args:
            settings: what to go by.
            weights: what complexity is told by; `None`: the shipped guess.
            classifiers: what intents are told by.
            directory: where models lead.
            price_of: what a target costs.
        """
        before = self._choosers if weights == self._weights else {}
        self._weights, self._choosers = weights, {}
        tiers = {}
        for name, each in settings.tiers.items():
            kept = before.get(name)
            known = kept is not None and _chooses_alike(kept[0], each)
            chooser = kept[1] if kept is not None and known else make_chooser(each, weights)
            self._choosers[name] = (each, chooser)
            reaches = {
                dialect: make_reach(models)
                for dialect in _DIALECTS
                if (models := _reached(each, dialect, directory, price_of))
            }
            tiers[name] = TierDesk(each, chooser, reaches, self._metrics)
        self._books = make_books(settings.experiments, self._books, self._metrics)
        experiments = {}
        for name, experiment in settings.experiments.items():
            books = tuple(self._books[ArmTerms(name, a.name, a.model)] for a in experiment.arms)
            experiments[experiment.model] = Experiment(name, experiment, books)
        intents = make_desks(settings, classifiers, directory, self._metrics)
        if not (intents or tiers or experiments):
            return None
        return Aim(intents, tiers, experiments, self._clock)


def read_weights(settings: Settings) -> Weights | None:
    """The weights that settings name; `None` where they name none.

    Raises:
        SettingsInvalid: the file cannot be read, or holds no weights.
    """
    name = settings.complexity.weights
    if name is None:
        return None
    try:
        with Path(name).open("rb") as file:
            return decode_weights(file.read(FILE_BYTES_MAX + 1))
    except OSError as error:
        problem = error.strerror or "it cannot be read"
    except WeightsBroken as error:
        problem = str(error)
    raise SettingsInvalid(f"complexity.weights: the file {name} cannot be used: {problem}")


def extra_models(
    settings: Settings, models: Mapping[str, tuple[Target, ...]]
) -> dict[str, tuple[Target, ...]]:
    """Names that only tiers and intents have, and the targets to be listed for them.

    Args:
        models: the targets of each configured model.
    """
    extra: dict[str, tuple[Target, ...]] = {}
    if not models:  # then names are guessed at, and these need not be listed
        return extra
    for name, tiers in settings.tiers.items():
        if name not in models and "/" not in name:
            found = [models.get(each.model) or _parsed(each.model) for each in _each(tiers)]
            extra[name] = tuple(dict.fromkeys(target for targets in found for target in targets))
    return extra | intent_models(settings, {**models, **extra})


def _each(tiers: TiersSettings) -> list[TierModelSettings]:
    """The strongest first: who answers where nothing is chosen."""
    return [each for _, each in sorted(models_of(tiers).items(), reverse=True)]


def _parsed(model: str) -> tuple[Target, ...]:
    return (Target.parse(model),)


def _reached(
    tiers: TiersSettings, dialect: DialectName, directory: Directory, price_of: PriceOf
) -> dict[Tier, TierModel]:
    found = {}
    for tier, each in models_of(tiers).items():
        try:
            target = directory.resolve(each.model, dialect)[0]
        except HeadraceError:  # the others will do
            continue
        found[tier] = TierModel(
            tier, each.model, target.model, price_of(target), each.output_tokens_max
        )
    return found


def _chooses_alike(one: TiersSettings, other: TiersSettings) -> bool:
    """Whether settings differ in nothing but whose models answer, and whether they do."""
    return _without_models(one) == _without_models(other)


def _without_models(tiers: TiersSettings) -> TiersSettings:
    nothing = TierModelSettings(model="any")
    standard = None if tiers.standard is None else nothing
    return msgspec.structs.replace(
        tiers, cheap=nothing, standard=standard, strong=nothing, mode="active"
    )
