"""The keys of the settings and those of the store as one. Pure."""

from collections.abc import Callable, Collection, Iterator

import msgspec

from headrace.identity.key_records import KeyRecord, KeysSeen, known_of
from headrace.identity.keys import KeyRing, known_keys
from headrace.settings import Settings
from headrace.settings.rules import is_loopback


def ring_of(
    settings: Settings, seen: KeysSeen, wall_s: Callable[[], float], without: Collection[str] = ()
) -> KeyRing:
    """The ring of all keys; where one is in both, that of the settings counts.

    Without any it is open, but not to the network.

    Args:
        settings: as they were read.
        seen: the keys of the store.
        wall_s: tells the time, seconds since the epoch.
        without: ids of keys that cannot be counted for.

    Raises:
        SettingsInvalid: keys of the settings cannot be told apart.
    """
    known = known_keys(settings.keys)
    taken = {key.digest for key in known}
    counted = (each for each in seen.records if each.id not in without)
    others = [each for each in seen.records if each.id in without] if without else []
    known.extend(key for key in known_of(counted) if key.digest not in taken)
    return KeyRing(
        known,
        wall_s=wall_s,
        is_closed=seen.had_keys or bool(settings.keys) or not is_loopback(settings.listen.host),
        is_whole=seen.is_known,
        uncounted=[key.digest for key in known_of(others) if key.digest not in taken],
        ended={each.id: each.ends_s for each in seen.ended},
    )


def with_keys(settings: Settings, seen: KeysSeen, without: Collection[str] = ()) -> Settings:
    """The settings as if they held the keys of the store, and the budgets of those.

    Args:
        settings: as they were read.
        seen: the keys of the store.
        without: ids of keys to leave out.
    """
    records = [each for each in _counting(settings, seen) if each.id not in without]
    if not records:
        return settings
    budgets = [budget for each in records if (budget := each.budget()) is not None]
    return msgspec.structs.replace(
        settings,
        keys=(*settings.keys, *(each.settings() for each in records)),
        budgets=(*settings.budgets, *budgets),
    )


def _counting(settings: Settings, seen: KeysSeen) -> Iterator[KeyRecord]:
    taken = {key.digest_bytes().hex() for key in settings.keys}
    return (each for each in seen.records if each.revoked_s is None and each.digest not in taken)
