"""The composition root: puts the rooms together and runs them."""

import asyncio
import os
import socket
import sys
from collections.abc import Sequence

import uvloop
from msgspec.structs import replace

from headrace.batches.room import BatchRoom
from headrace.clock import Clock, SystemClock
from headrace.console.alarm_room import AlarmRoom
from headrace.console.allocations import AllocationsRoom
from headrace.console.app import make_console
from headrace.console.keys import KeyRoom
from headrace.console.overview import OverviewRoom
from headrace.console.page import PageRoom
from headrace.console.settings import SettingsRoom
from headrace.console.slos import SloRoom
from headrace.console.usage import UsageRoom
from headrace.conversations.room import ConversationRoom
from headrace.gateway.aiming.aim import read_weights
from headrace.gateway.aiming.intents import read_classifiers
from headrace.gateway.calls.lanes import Trust
from headrace.gateway.templating.uses import check_uses
from headrace.jobs.built_in import built_in_kinds
from headrace.jobs.room import JobsRoom
from headrace.observe.batch_metrics import BatchMetrics
from headrace.observe.cells import Cells, SharedCells
from headrace.observe.event_log import DirectEventLog
from headrace.observe.families import families_with
from headrace.observe.job_metrics import JobMetrics
from headrace.observe.layout import Layout
from headrace.observe.logs import open_direct_log
from headrace.observe.profiling.allocations import AllocationWatch
from headrace.prompt.templates.registry import TemplateRegistry
from headrace.server.descriptors import raise_descriptor_limit
from headrace.server.embedded import EmbeddedValkey, NotShared, embed
from headrace.server.listener import bind, server_tls
from headrace.server.post import Post, session_secret
from headrace.server.rooms import Means, Room
from headrace.server.shared_rates import SharedRates
from headrace.server.shared_sessions import SharedSessions
from headrace.server.shared_spend import SharedSpend
from headrace.server.supervisor import Supervisor
from headrace.server.worker import Load, Worker
from headrace.settings import Settings, check_telemetry
from headrace.settings.places import data_dir
from headrace.store.ledger.usage import UsageReader
from headrace.store.records.queries import query_names


def serve(settings: Settings, load: Load) -> int:
    """Run the gateway until it is stopped.

    Args:
        settings: what to go by.
        load: reads the settings again, for SIGHUP.

    Returns:
        The exit status.

    Raises:
        SettingsInvalid: the address cannot be had, or a file named in the settings not be used.
    """
    upstream = [provider.connections_max for provider in settings.providers.values()]
    shortage = raise_descriptor_limit([settings.listen.connections_max, *upstream])
    if shortage:
        _say(shortage)
    if settings.listen.workers == 1:
        sock = bind(settings.listen, shared=False)
        layout = _layout(settings)
        secret = session_secret(settings)
        post = Post(0, Cells(layout.size), layout, session_secret=secret)
        _run_worker(settings, load, post, sock)
        return 0
    return _supervise(settings, load)


def check_files(settings: Settings) -> None:
    """Try the certificates, the weights, the intents and the templates that the settings name.

    Raises:
        SettingsInvalid: one cannot be used.
    """
    check_telemetry(settings.telemetry)
    read_weights(settings)
    read_classifiers(settings)
    server_tls(settings.listen.tls)
    if settings.prompt.compress.shortener is not None:
        from headrace.gateway.shaping.shortening import check_shortener

        check_shortener(settings.prompt.compress.shortener)
    trust = Trust()
    for name, provider in settings.providers.items():
        trust.context(name, provider)
    if settings.templates.path is not None:
        check_uses(settings, TemplateRegistry(settings.templates.path).shelf)


def _layout(settings: Settings) -> Layout:
    return Layout(families_with(query_names(), gen_ai=settings.telemetry.metrics))


def _supervise(settings: Settings, load: Load) -> int:
    check_files(settings)  # told once, before there are workers to tell it each
    with bind(settings.listen, shared=False) as claim:  # fails if somebody else listens there
        port = claim.getsockname()[1]
    reserved = bind(settings.listen, shared=True, port=port)
    layout = _layout(settings)
    board = SharedCells(settings.listen.workers, layout.size)
    rates = SharedRates(settings.listen.workers)
    keeps_books = settings.spend.durable and (settings.spend.enabled or settings.budgets)
    spend = SharedSpend(settings.listen.workers, data_dir(settings) if keeps_books else None)
    sessions = SharedSessions(settings.listen.workers)
    shared = Post(
        0,
        board,
        layout,
        os.getpid(),
        rates=rates,
        spend=spend,
        sessions=sessions,
        session_secret=session_secret(settings),
    )
    shared.assign(settings)
    posts = [replace(shared, index=index) for index in range(settings.listen.workers)]

    clock = SystemClock()
    events = open_direct_log(settings.log, clock)
    embedded = _embed(settings, events, clock)

    def load_shared() -> Settings:
        return load() if embedded is None else embedded.adopt_into(load())

    def run_worker(current: Settings, post: Post) -> None:
        sock = bind(settings.listen, shared=True, port=port)
        reserved.close()
        _run_worker(current, load_shared, post, sock)
        if embedded is not None and os.getppid() != post.supervisor_pid:
            embedded.remove_folder()  # who should have done it is dead

    def load_usable() -> Settings:
        # What workers would refuse must not be what their successors start with.
        current = load_shared()
        check_files(current)
        return current

    current = settings if embedded is None else embedded.adopt_into(settings)
    return Supervisor(current, load_usable, posts, run_worker, events, clock, embedded).run()


def _embed(settings: Settings, events: DirectEventLog, clock: Clock) -> EmbeddedValkey | None:
    try:
        return embed(settings, events, clock)
    except NotShared as why:
        _say(str(why))
        return None


def _run_worker(settings: Settings, load: Load, post: Post, sock: socket.socket) -> None:
    async def work() -> None:
        worker = Worker(
            settings,
            load,
            post=post,
            sock=sock,
            make_console=make_console,
            clock=SystemClock(),
            make_rooms=_make_rooms,
        )
        await worker.run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())


def _make_rooms(means: Means) -> Sequence[Room]:
    return [
        KeyRoom(means.keys, means.clock),
        _usage(means),
        OverviewRoom(means.post.board, means.post.layout, means.clock),
        PageRoom(means.post.make_sessions(means.clock), means.keys, means.settings),
        AllocationsRoom(AllocationWatch(os.getpid(), means.clock)),
        SettingsRoom(means.settings),
        SloRoom(means.slos.told, means.slos.adopt),
        _alarms(means),
        _batches(means),
        _conversations(means),
        JobsRoom(
            means.settings,
            built_in_kinds(),
            means.records,
            clock=means.clock,
            ids=means.ids,
            url=means.url,
            secret=means.post.deputy,
            is_first=means.worker == 0,
            metrics=JobMetrics(means.metrics),
            spawn=means.spawn,
            say=means.say,
        ),
    ]


def _usage(means: Means) -> Room:
    return UsageRoom(UsageReader(means.records, means.clock))


def _alarms(means: Means) -> Room:
    return AlarmRoom(
        means.settings,
        board=means.post.board,
        layout=means.post.layout,
        worker=means.worker,
        slos=means.slos.told,
        spend=means.spend,
        clock=means.clock,
        spawn=means.spawn,
        say=means.say,
    )


def _batches(means: Means) -> Room:
    return BatchRoom(
        means.settings,
        data_dir(means.settings),
        records=means.records,
        asker=means.asker,
        counts=BatchMetrics(means.metrics),
        may_ask=means.keys.may_ask,
        ids=means.ids,
        clock=means.clock,
        spawn=means.spawn,
        say=means.say,
    )


def _conversations(means: Means) -> Room:
    return ConversationRoom(
        means.conversations,
        means.records,
        new_id=means.ids.new,
        clock=means.clock,
        spawn=means.spawn if means.worker == 0 else None,
        say=means.say,
    )


def _say(text: str) -> None:
    sys.stderr.write(f"headrace: {text}\n")
