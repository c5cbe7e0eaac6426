"""Whether callers need a key, before a gateway starts."""

import asyncio

from headrace.clock import SystemClock
from headrace.identity.key_mirror import KeyMirror, store_name
from headrace.identity.key_store import KeyStore
from headrace.ids import Ids
from headrace.settings import Settings
from headrace.settings.places import data_dir
from headrace.store.faults import StoreFault
from headrace.store.records.open import RECORDS_FILE, open_records


def needs_keys(settings: Settings, *, asks_store: bool) -> bool:
    """Whether a gateway is closed to callers without a key, or may have to be.

    Args:
        settings: what it will go by.
        asks_store: whether to ask the store where nothing else tells; that takes a loop of its own.
            A store that cannot be asked may have keys.

    Raises:
        SettingsInvalid: the store cannot be one.
    """
    url, folder = settings.store.url.reveal(), data_dir(settings)
    seen = KeyMirror(folder, store_name(url)).read()
    if settings.keys or (seen is not None and seen.had_keys):
        return True
    if not asks_store or (url == "sqlite" and not (folder / RECORDS_FILE).exists()):
        return False
    try:
        return asyncio.run(_had_keys(settings))
    except StoreFault:
        return True


async def _had_keys(settings: Settings) -> bool:
    clock = SystemClock()
    records = open_records(settings.store.url.reveal(), data_dir(settings), clock=clock)
    try:
        return (await KeyStore(records, clock, Ids(clock.wall_s).new).look()).had_keys
    finally:
        await records.close()
