"""`python -m dev_stack demo` against a running stack, whoever started it."""

from __future__ import annotations

import asyncio
import sys
import time
from functools import partial

import aiohttp
import rich_click as click
import uvloop
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dev_stack import environment
from dev_stack.api_client import ApiClient
from dev_stack.demo import report
from dev_stack.demo.journey import Journey, Tally
from dev_stack.demo.people import Person, people
from dev_stack.demo.report import Deliveries

# A second mail of one event would follow the first within the worker's retries.
SETTLE_SECONDS = 2.0
FIRST_ANSWER_WITHIN = 5.0


def _local_url(setting: str) -> str:
    return f"http://127.0.0.1:{environment.port(setting)}"


@click.command()
@click.option("-n", "count", default=1000, show_default=True, help="How many people register.")
@click.option("--concurrency", default=32, show_default=True, help="How many of them at a time.")
@click.option(
    "--base-url", default=partial(_local_url, "PORT"), show_default="http://127.0.0.1:$PORT"
)
@click.option(
    "--mailbox-url",
    default=partial(_local_url, "MAIL_STAND_IN_PORT"),
    show_default="http://127.0.0.1:$MAIL_STAND_IN_PORT",
)
def demo(count: int, concurrency: int, base_url: str, mailbox_url: str) -> None:
    """Register many people at once at a running stack, and count every mail.

    Each has an own client address, told by X-Forwarded-For: the service must trust this machine as
    a proxy. Exits with 1 when a mail was doubled or lost, or somebody did not reach the profile.
    """
    sys.exit(uvloop.run(_demo(count, concurrency, base_url, mailbox_url)))


async def _demo(count: int, concurrency: int, base_url: str, mailbox_url: str) -> int:
    console = Console()
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=90)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        client = ApiClient(http, base_url, mailbox_url)
        for url in (base_url, mailbox_url):
            if not await _answers(http, url):
                console.print(f"[red]Nothing answers at {escape(url)}.[/] Is `make run` up?")
                return 1
        tally = Tally()
        began = time.perf_counter()
        await _everybody_travels(Journey(client, tally), people(count), concurrency, console)
        seconds = time.perf_counter() - began
        await asyncio.sleep(SETTLE_SECONDS)
        mails = await _deliveries(client, tally.registered)
    report.show(console, count, tally, mails, seconds)
    return 0 if tally.reached["profile"] == mails.once == count else 1


async def _answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with asyncio.timeout(FIRST_ANSWER_WITHIN), http.get(url):
            return True
    except (aiohttp.ClientError, TimeoutError):
        return False


async def _everybody_travels(
    journey: Journey, travellers: list[Person], concurrency: int, console: Console
) -> None:
    turns = asyncio.Semaphore(concurrency)
    columns = (
        TextColumn("Registering"),
        BarColumn(None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=len(travellers))

        async def travel(person: Person) -> None:
            async with turns:
                await journey.travel(person)
            progress.advance(bar)

        await asyncio.gather(*(travel(person) for person in travellers))


async def _deliveries(client: ApiClient, registered: list[Person]) -> Deliveries:
    received = [(await client.mails(person.email))[1] for person in registered]
    return Deliveries(
        once=received.count(1),
        doubled=sum(each > 1 for each in received),
        lost=received.count(0),
    )
