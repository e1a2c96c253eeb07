"""What grows with the number of users, and what does not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from dev_stack.part import Part
from tests.bench.bench import Bench
from tests.bench.scale import lookups, registrations, sent, server, storage, sweeping
from tests.bench.scale.compared import compare
from tests.bench.scale.filling import Crowd, fill
from tests.bench.scale.town import JWT_SECRET, Caller, Town
from tests.corner import Corner

SMALL = Crowd(5_000, 20_000)
QUICK = Crowd(1_000_000, 1_000_000)
FULL = Crowd(10_000_000, 10_000_000)


def measure(bench: Bench) -> None:
    section = bench.report.section("Scale")
    say = bench.report.console.print
    with ExitStack() as stack:
        postgres = stack.enter_context(server.started(bench.cpus))
        small, big = stack.enter_context(_towns(bench, postgres))
        section.tell(
            f"A small installation has {small.crowd}, a big one {big.crowd}, with the events, audit"
            " entries and users of Clerk that belong to them. The small one is not empty, because"
            " its people must be somebody's, and not always the same."
            + bench.size.pick(" SIZE=full has ten times as many.", "")
        )
        storage.weigh(section, big)
        lookups.look(section, big.corner)
        callers = [stack.enter_context(_caller(bench, town)) for town in (small, big)]
        compare(bench, section, *callers)
        say("what is written, sent and swept")
        storage.follow_writes(bench, section, callers[0])
        sent.check(bench, section, callers[0], postgres.log)
        sweeping.sweep(bench, section, callers[1])
        registrations.weigh(bench, section, small)


@contextmanager
def _towns(bench: Bench, postgres: Part) -> Iterator[tuple[Town, Town]]:
    """Both in one server, which has all processors until they are filled."""
    parts = os.environ | {"DATABASE_URL": postgres.url}
    crowds = {"bench1": SMALL, "bench2": bench.size.pick(QUICK, FULL)}
    with ExitStack() as stack:
        small, big = (
            Town(stack.enter_context(Corner.made(name, parts)), crowd)
            for name, crowd in crowds.items()
        )
        for town in (small, big):
            fill(town.corner.database_url, town.crowd, bench.report.console.print)
        server.move(postgres, bench.cpus.others)
        yield small, big


@contextmanager
def _caller(bench: Bench, town: Town) -> Iterator[Caller]:
    # The queue takes all who ask at a time: refusing some is another section's subject.
    with bench.service(town.corner, JWT_SECRET=JWT_SECRET, HASH_QUEUE="256") as service:
        yield Caller(town, service)
