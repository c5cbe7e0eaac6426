"""What settings of tiers and experiments demand of each other."""

from collections.abc import Iterator
from difflib import get_close_matches

from headrace.settings.document import shown
from headrace.settings.reader import Path, Reader
from headrace.settings.tiers import (
    ARMS_MAX,
    ExperimentSettings,
    TierModelSettings,
    Tiers,
    TiersSettings,
)


def apply_tier_rules(reader: Reader) -> None:
    """Report what does not fit together in tiers and experiments, as far as they were read."""
    arms = 0
    asked: dict[str, Path] = {}
    for path, found in list(reader.found.items()):
        match path, found.value:
            case ("tiers", str(name)), TiersSettings() as tiers:
                _check_tiers(reader, path, name, tiers)
            case ("experiments", str()), ExperimentSettings() as experiment:
                arms += len(experiment.arms)
                _check_experiment(reader, path, experiment)
                if asked.setdefault(experiment.model, path) != path:
                    message = f"the same model as experiments.{asked[experiment.model][1]}"
                    reader.complain((*path, "model"), message)
                if arms > ARMS_MAX:
                    message = f"expected at most {ARMS_MAX} arms in all experiments"
                    reader.complain((*path, "arms"), message)
            case _:
                pass


def idle_of_tiers(tiers: Tiers) -> Iterator[str]:
    """What is set of tiers, and accepted, but has no effect."""
    for name, each in tiers.items():
        for tier, model in _models_of(each):
            if each.mode == "shadow" and model.output_tokens_max is not None:
                yield f"tiers.{name}.{tier}.output_tokens_max, in the shadow,"


def _check_tiers(reader: Reader, path: Path, name: str, tiers: TiersSettings) -> None:
    for tier, model in _models_of(tiers):
        # A name may lead to the model of the same name, but not to other tiers.
        known = _models(reader)
        if model.model not in known and model.model in _names(reader, "tiers"):
            reader.complain((*path, tier, "model"), "a tier leads to a model, and not to tiers")
        else:
            _check_model(reader, (*path, tier, "model"), model.model, known)
    if tiers.mode == "shadow" and not _is_known(reader, name, _models(reader)):
        message = "in the shadow the name itself is asked: it must be one of the models"
        reader.complain((*path, "mode"), message)
    if tiers.default == "standard" and tiers.standard is None:
        reader.complain((*path, "default"), "there is no standard model")
    _check_goal(reader, path, tiers)
    if tiers.per_dollar and (tiers.cheap_share is None or tiers.margin):
        message = "goes with cheap_share alone; quality, cheap_below and margin are probabilities"
        reader.complain((*path, "per_dollar"), message)


def _check_goal(reader: Reader, path: Path, tiers: TiersSettings) -> None:
    goals = {
        "cheap_share": tiers.cheap_share,
        "quality": tiers.quality,
        "cheap_below": tiers.cheap_below,
    }
    places = ((*path, name) for name in goals)
    if any(place in reader.places and place not in reader.found for place in places):
        return  # it was reported already
    given = [name for name, value in goals.items() if value is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        message = f"expected one of cheap_share, quality and cheap_below, found {found}"
        reader.complain((*path, given[1]) if given else path, message)
        return
    for name, wants in (("strong_share", "cheap_share"), ("strong_from", "cheap_below")):
        if getattr(tiers, name) is not None and given != [wants]:
            reader.complain((*path, name), f"goes with {wants}, which is not set")
    cheap, strong = tiers.cheap_share, tiers.strong_share
    if cheap is not None and strong is not None:
        if cheap + strong > 1:
            message = f"expected at most {1 - cheap:g}, what cheap_share leaves"
            reader.complain((*path, "strong_share"), message)
        elif tiers.standard is None and cheap + strong < 1:
            reader.complain((*path, "strong_share"), "a standard model is missing for the rest")
    if tiers.quality is not None and tiers.standard is not None:
        message = "is about two models: leave out standard, or set shares"
        reader.complain((*path, "quality"), message)
    low, high = tiers.cheap_below, tiers.strong_from
    if low is not None and high is not None:
        if low > high:
            reader.complain((*path, "strong_from"), f"expected at least cheap_below ({low:g})")
        elif tiers.standard is None and low < high:
            reader.complain((*path, "strong_from"), "a standard model is missing in between")


def _check_experiment(reader: Reader, path: Path, experiment: ExperimentSettings) -> None:
    known = _models(reader) | _names(reader, "tiers")
    _check_model(reader, (*path, "model"), experiment.model, known)
    names: dict[str, int] = {}
    for at, arm in enumerate(experiment.arms):
        _check_model(reader, (*path, "arms", at, "model"), arm.model, known)
        if (same := names.setdefault(arm.name, at)) != at:
            reader.complain((*path, "arms", at, "name"), f"the same name as arms[{same}]")
    if not any(arm.weight for arm in experiment.arms):
        reader.complain((*path, "arms"), "expected an arm with a weight above 0")


def _models_of(tiers: TiersSettings) -> Iterator[tuple[str, TierModelSettings]]:
    yield "cheap", tiers.cheap
    if tiers.standard is not None:
        yield "standard", tiers.standard
    yield "strong", tiers.strong


def _check_model(reader: Reader, path: Path, model: str, known: set[str]) -> None:
    if _is_known(reader, model, known):
        return
    near = get_close_matches(model, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "it must be one of models, or provider/model"
    written = path if path in reader.places else path[:-1]
    reader.complain(written, f"unknown model {shown(model)}; {hint}")


def _is_known(reader: Reader, model: str, known: set[str]) -> bool:
    provider, slash, name = model.partition("/")
    by_provider = bool(slash and name) and provider in _names(reader, "providers")
    return model in known or by_provider


def _models(reader: Reader) -> set[str]:
    return _names(reader, "models")


def _names(reader: Reader, room: str) -> set[str]:
    """What is named there; what could not be read counts: its problem is reported already."""
    return {str(place[1]) for place in reader.places if place[:1] == (room,) and len(place) == 2}
