"""`make run`: everything started in order, shown at work once, and kept up until Ctrl-C."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import rich_click as click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dev_stack import checkout, environment, parts, services, unprivileged, walkthrough
from dev_stack.kafka_jars import NoKafka
from dev_stack.part import REPOSITORY, Part, PartFailed

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

SERVERS = ("Postgres", "Valkey", "Kafka", "Kafka (mock)")

console = Console()
home_option = click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False, resolve_path=True),
    default=REPOSITORY / ".stack",
    help="Where the data, the logs and the secrets lie; .stack/ of this checkout by default.",
)


@click.command()
@home_option
def run(home: Path) -> None:
    """Start the whole stack, walk one registration through it, and stay up."""
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler)
    try:
        _run(home)
    except KeyboardInterrupt:
        console.print("Stopped.")
    except (PartFailed, NoKafka) as failure:
        console.print(
            f"[bold red]Failed.[/] {escape(str(failure))}", highlight=False, soft_wrap=True
        )
        sys.exit(1)


@click.command()
@home_option
def clean(home: Path) -> None:
    """Delete what `run` has kept: data, logs and secrets."""
    try:
        with checkout.lock(home):
            unprivileged.remove(home)
    except PartFailed as failure:
        raise click.ClickException(str(failure)) from None


def _run(home: Path) -> None:
    began = time.monotonic()
    with ExitStack() as cleanup:
        cleanup.enter_context(checkout.lock(home))
        _require_free_ports()
        try:
            running, variables = _start(home, cleanup)
            _walk_through(home, variables)
            _print_addresses(home, variables, running, time.monotonic() - began)
            _watch(running)
        finally:
            # A second Ctrl-C would leave behind what is not stopped yet.
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            console.print("\nStopping.")


def _start(home: Path, cleanup: ExitStack) -> tuple[list[Part], dict[str, str]]:
    """Start all parts in order, each to be stopped by `cleanup`."""
    _empty_logs(home)
    with _step("Starting the servers") as step:
        stack = cleanup.enter_context(parts.durable(home, console.print))
        # Known only now: Kafka or its mock, and none that the environment names.
        step.title = f"Starting {_listed([part.name for part in stack.parts.values()])}"
    variables = environment.of_services(home, stack.variables)
    environment.write_for_shells(home, variables)
    running = list(stack.parts.values())
    if environment.mailbox_url(variables):
        stand_in = services.mail_stand_in(home, variables)
        cleanup.callback(stand_in.stop)
        with _step("Starting the stand-in for SendGrid"):
            stand_in.start()
        running.append(stand_in)
    with _step("Applying migrations and topics"):
        services.migrate(home, variables)
    gatepost = services.gatepost(home, variables)
    cleanup.callback(_at_once, Part.stop, gatepost)
    with _step("Starting the user service, its worker and the email service"):
        _at_once(Part.start, gatepost)
    return running + gatepost, variables


def _require_free_ports() -> None:
    if problems := environment.problems_with_ports():
        raise PartFailed("\n".join(problems))


def _empty_logs(home: Path) -> None:
    shutil.rmtree(home / "logs", ignore_errors=True)
    (home / "logs").mkdir()


def _at_once(act: Callable[[Part], None], on: list[Part]) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(act, on))


def _listed(names: list[str]) -> str:
    if not names:
        return "no server: the environment names them all"
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


@dataclass
class Step:
    """`title` is what is printed once it is done, and may be made precise until then."""

    title: str


@contextmanager
def _step(title: str) -> Iterator[Step]:
    began = time.monotonic()
    step = Step(title)
    with console.status(f"{title} …"):
        yield step
    console.print(
        f"[green]✓[/] {step.title} [dim]{time.monotonic() - began:.1f} s[/]", highlight=False
    )


def _walk_through(home: Path, variables: Mapping[str, str]) -> None:
    mailbox = environment.mailbox_url(variables)
    if mailbox is None:
        console.print("No walkthrough: the mails go elsewhere, and it could not read the code.")
        return
    try:
        asyncio.run(walkthrough.walk(f"http://127.0.0.1:{variables['PORT']}", mailbox, console))
    except walkthrough.WalkthroughFailed as failure:
        raise PartFailed(f"{failure}\nThe logs are in {home}/logs/.") from failure


def _print_addresses(
    home: Path, variables: Mapping[str, str], running: list[Part], seconds: float
) -> None:
    # Not 127.0.0.1: "Try it out" is refused from any other origin than PUBLIC_BASE_URL.
    public = variables["PUBLIC_BASE_URL"].rstrip("/")
    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_row("API docs", f"{public}/docs")
    if environment.mailbox_url(variables):
        table.add_row("Mailbox", f"http://localhost:{variables['MAIL_STAND_IN_PORT']}/")
    table.add_row("Health", f"http://localhost:{variables['PORT']}/health")
    for part in running:
        if part.name in SERVERS:
            table.add_row(part.name, part.url)
    table.add_row("Data and logs", f"{home} [dim](`make clean` deletes them)[/]")
    table.add_row("Try", f"{_demo_command(variables)} [dim](in another terminal)[/]")
    table.add_row("Stop", "Ctrl-C")
    console.print(f"\n[bold]Gatepost is up[/] [dim]after {seconds:.1f} s[/]\n", highlight=False)
    console.print(table)


def _demo_command(variables: Mapping[str, str]) -> str:
    """With the ports that are not the usual ones: the other terminal does not know them."""
    moved = [
        f"{name}={variables[name]}"
        for name in ("PORT", "MAIL_STAND_IN_PORT")
        if variables[name] != environment.PORTS[name]
    ]
    return " ".join(["make demo N=1000", *moved])


def _watch(running: list[Part]) -> NoReturn:
    """Wait for ever; raises PartFailed when a part ends by itself."""
    while True:
        for part in running:
            if not part.running:
                raise PartFailed(
                    f"{part.name} ended by itself (exit code {part.exit_code}):\n"
                    f"{part.last_lines()}"
                )
        time.sleep(0.5)
