"""What one setting demands of another; every rule speaks for itself and reports by path."""

import ipaddress
import math
from difflib import get_close_matches
from typing import Final

from headrace.errors import SettingsInvalid
from headrace.settings.document import shown
from headrace.settings.files import authorities_problem, file_problem, log_problem
from headrace.settings.intent_rules import apply_intent_rules
from headrace.settings.keys import KeySettings
from headrace.settings.reader import Path, Reader
from headrace.settings.schema import (
    CacheSettings,
    ProviderSettings,
    ReuseSettings,
    SemanticSettings,
    Settings,
    WarmSettings,
)
from headrace.settings.slos import Slo, slo_problems
from headrace.settings.spend_rules import check_budgets, doubtful_intents, doubtful_owners
from headrace.settings.store import replicas_problem
from headrace.settings.target_rules import check_target
from headrace.settings.targets import ModelSettings, PriceSettings, TargetSettings, TierSettings
from headrace.settings.tier_rules import apply_tier_rules, idle_of_tiers
from headrace.settings.values import LOCAL_EMBEDDER
from headrace.settings.window_rules import apply_window_rules, idle_of_window, window_notices

# Who callers are while no keys are set.
_TENANT_OF_ALL: Final = "default"


def apply_rules(reader: Reader) -> None:
    """Report every pair of settings that does not fit together, as far as they could be read."""
    for path, found in list(reader.found.items()):
        match path, found.value:
            case ("models", str(), "targets", int()), TargetSettings() as target:
                _check_model_target(reader, path, target)
            case ("models", *_), PriceSettings() | TierSettings() as price:
                _check_price(reader, path, price)
            case ("providers", str()), ProviderSettings() as provider:
                _check_provider(reader, path, provider)
            case ("providers", str(), "ca_file"), str(name):
                _report(reader, path, authorities_problem(name))
            case (
                (
                    ("listen", "tls", "cert" | "key")
                    | ("complexity", "weights")
                    | ("intents", str(), "weights")
                ),
                str(name),
            ):
                _report(reader, path, file_problem(name))
            case ("cache", "semantic", "embedder" | "judge" | "verifier"), str(target):
                if "/" in target and not target.startswith(LOCAL_EMBEDDER):
                    check_target(reader, path, target)
            case ("cache", "semantic"), SemanticSettings() as semantic:
                _check_semantic(reader, path, semantic)
            case ("cache",), CacheSettings() as cache:
                _check_cache(reader, cache)
            case _:
                pass
    _check_keys(reader)
    apply_tier_rules(reader)
    check_budgets(reader)
    apply_intent_rules(reader)
    apply_window_rules(reader)
    _check_store(reader)
    _check_slos(reader)


def apply_serving_rules(reader: Reader) -> None:
    """Report what only keeps a server from starting, not the library."""
    semantic = reader.found.get(("cache", "semantic"))
    if semantic is not None and semantic.value.enabled and semantic.value.embedder is None:
        reader.complain(
            ("cache", "semantic"),
            "an embedder is missing: the provider/model of one with /v1/embeddings, or local:MODEL "
            "for sentence-transformers in this process",
        )
    prompts = reader.found.get(("cache", "warm", "file"))
    if prompts is not None:
        _report(reader, ("cache", "warm", "file"), file_problem(prompts.value))
    log_file = reader.found.get(("log", "file"))
    if log_file is not None and log_file.value is not None:
        _report(reader, ("log", "file"), log_problem(log_file.value))


def _check_slos(reader: Reader) -> None:
    found: dict[int, Slo] = {}
    models: dict[str, ModelSettings] = {}
    for path, each in reader.found.items():
        match path, each.value:
            case ("slos", int(at)), Slo() as slo:
                found[at] = slo
            case ("models", str(name)), ModelSettings() as model:
                models[name] = model
            case _:
                pass
    for at, field, problem in slo_problems(sorted(found.items())):
        reader.complain(("slos", at, *field.split(".")), problem)
    texts = any(model.fallback_text is not None for model in models.values())
    for at, slo in found.items():
        reaction, path = slo.reaction, ("slos", at, "reaction")
        if reaction is None:
            continue
        if reaction.action == "template" and not texts:
            reader.complain((*path, "action"), "no model has a fallback_text to answer by")
        cheaper = reaction.model
        if models and cheaper is not None and "/" not in cheaper and cheaper not in models:
            reader.complain((*path, "model"), "no model of this name is configured")


def check_listen(settings: Settings) -> None:
    """Refuse to serve strangers: without keys only loopback is listened on.

    Raises:
        SettingsInvalid: the host is not loopback and no keys are set.
    """
    if settings.keys or is_loopback(settings.listen.host):
        return
    raise SettingsInvalid(
        f"listen.host is {shown(settings.listen.host)}, which others can reach, and no keys are "
        "set: anyone could spend on your providers. Set a key (keys: [{key: ${APP_KEY}, tenant: "
        "app}] in the settings file, or HEADRACE_KEY without one), make one in the store "
        "(headrace keys create), or listen on 127.0.0.1."
    )


def notices(settings: Settings) -> tuple[str, ...]:
    """What is set, and accepted, but has no effect, or hardly the one meant; a sentence each."""
    idle: list[str] = []
    for name, model in settings.models.items():
        idle.extend(_idle_of_model(name, model))
    idle.extend(idle_of_tiers(settings.tiers))
    if not settings.intents:
        aimed = (at for at, each in enumerate(settings.budgets) if each.intent is not None)
        idle.extend(f"budgets[{at}], for an intent where there are no intents," for at in aimed)
    idle.extend(idle_of_window(settings.prompt.window))
    return (
        *(f"{what} has no effect in this version." for what in idle),
        *window_notices(settings.prompt.window),
        *doubtful_intents(settings),
        *doubtful_owners(settings),
    )


def _idle_of_model(name: str, model: ModelSettings) -> list[str]:
    idle: list[str] = []
    if model.balance in ("in-order", "latency", "cost", "quota"):
        weighted = (at for at, target in enumerate(model.targets) if target.weight != 1)
        idle.extend(f"models.{name}.targets[{at}].weight" for at in weighted)
    if model.balance != "in-order" and sum(each.on is None for each in model.targets) < 2:
        idle.append(f"models.{name}.balance, for fewer than two targets without `on`,")
    return idle


def _check_model_target(reader: Reader, path: Path, target: TargetSettings) -> None:
    written = (*path, "target")
    check_target(reader, written if written in reader.places else path, target.target)
    if path[-1] == 0 and target.on is not None:
        reader.complain((*path, "on"), "the first target is asked first, whatever happens")


def _check_api_keys(reader: Reader, path: Path, provider: ProviderSettings) -> None:
    if provider.api_key is not None and provider.api_keys:
        reader.complain((*path, "api_keys"), "expected either api_key or api_keys, found both")
    keys: dict[object, int] = {}
    names: dict[object, int] = {}
    for at, each in enumerate(provider.api_keys):
        place = (*path, "api_keys", at)
        if (same := keys.setdefault(each.key, at)) != at:
            reader.complain(place, f"the same key as api_keys[{same}]")
        if each.name is not None and (same := names.setdefault(each.name, at)) != at:
            reader.complain((*place, "name"), f"the same name as api_keys[{same}]")
        if each.name is not None and each.name == each.key.reveal():
            reader.complain((*place, "name"), "the name is shown, and must not be the key itself")


def _check_provider(reader: Reader, path: Path, provider: ProviderSettings) -> None:
    if provider.warm_connections > provider.connections_max:
        reader.complain(
            (*path, "warm_connections"),
            f"expected at most connections_max ({provider.connections_max})",
        )
    _check_api_keys(reader, path, provider)
    if provider.batches is not None and provider.dialect != "openai":
        reader.complain(
            (*path, "batches"),
            "only the Batch API of providers of the dialect openai is known",
        )


def _check_price(reader: Reader, path: Path, price: PriceSettings | TierSettings) -> None:
    for name in ("input", "output"):
        if (*path, name) not in reader.places:
            reader.complain(path, f"the key {name} is missing: US dollars per million tokens")
    for name in ("input", "output", "cached", "cache_write", "cache_write_1h"):
        value = getattr(price, name)
        if value is not None and not 0 <= value < math.inf:
            reader.complain((*path, name), f"expected at least 0, found {value}")


def _report(reader: Reader, path: Path, problem: str | None) -> None:
    if problem is not None:
        reader.complain(path, problem)


def _check_reuse(reader: Reader, path: Path, reuse: ReuseSettings) -> None:
    low, high = reuse.ttl_s_min, reuse.ttl_s_max
    bounds = ((*path, "ttl_s_min"), (*path, "ttl_s_max"))
    if (low is None) != (high is None) and not _is_broken(reader, *bounds):
        reader.complain(path, "ttl_s_min and ttl_s_max go together: expected both or neither")
    elif low is not None and high is not None and low > high:
        reader.complain(bounds[0], f"expected at most ttl_s_max ({high:g})")


def _check_cache(reader: Reader, cache: CacheSettings) -> None:
    _check_reuse(reader, ("cache", "reuse"), cache.reuse)
    if cache.ttl_s > cache.ttl_s_max:
        message = f"expected at most ttl_s_max ({cache.ttl_s_max:g})"
        reader.complain(("cache", "ttl_s"), message)
    if cache.entry_kb_max > cache.memory_mb * 1024:
        message = f"expected at most memory_mb ({cache.memory_mb} MB), or nothing that large fits"
        reader.complain(("cache", "entry_kb_max"), message)
    if cache.warm is not None:
        _check_warm(reader, ("cache", "warm"), cache.warm)


def _check_semantic(reader: Reader, path: Path, semantic: SemanticSettings) -> None:
    if semantic.enabled and semantic.mode == "shadow" and semantic.judge is None:
        reader.complain(
            path,
            "mode shadow wants a judge that compares answers: provider/model, or embedder, "
            "which asks nobody and is rough",
        )


def _check_warm(reader: Reader, path: Path, warm: WarmSettings) -> None:
    times = ((*path, "at"), (*path, "every_s"))
    if (warm.at is None) is (warm.every_s is None) and not _is_broken(reader, *times):
        reader.complain(path, "expected either at or every_s: when, or how often")
    found = reader.found.items()
    tenants = sorted({each.value for at, each in found if at[:1] + at[2:] == ("keys", "tenant")})
    if warm.tenant in (tenants or [_TENANT_OF_ALL]):
        return
    why = f"without keys every caller is {_TENANT_OF_ALL}"
    if tenants:
        near = get_close_matches(warm.tenant, tenants, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(tenants)}"
        why = f"no key is of this tenant, so nobody would profit; {hint}"
    reader.complain((*path, "tenant"), why)


def _check_store(reader: Reader) -> None:
    store = reader.found.get(("store",))
    if store is not None:
        _report(reader, ("store", "replicas"), replicas_problem(store.value))


def _check_keys(reader: Reader) -> None:
    first: dict[bytes, int] = {}
    for path, found in list(reader.found.items()):
        match path, found.value:
            case ("keys", int(at)), KeySettings(key=None, digest=None):
                if not _is_broken(reader, (*path, "key"), (*path, "digest")):
                    reader.complain(path, "expected a key or a digest, found neither")
            case ("keys", int(at)), KeySettings(key=None) | KeySettings(digest=None):
                same = first.setdefault(found.value.digest_bytes(), at)
                if same != at:
                    reader.complain(path, f"the same key as keys[{same}]")
            case ("keys", int()), KeySettings():
                reader.complain(path, "expected either key or digest, found both")
            case _:
                pass


def _is_broken(reader: Reader, *paths: Path) -> bool:
    """Whether one of `paths` is in the document but could not be read, and so was reported."""
    return any(path in reader.places and path not in reader.found for path in paths)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
