"""`python -m dev_stack mail-stand-in`, in a process or a container of its own."""

from __future__ import annotations

import asyncio
import signal

import rich_click as click
import uvloop

from dev_stack.mail_stand_in.server import MailStandIn


@click.command()
@click.option("--host", envvar="MAIL_STAND_IN_HOST", default="127.0.0.1", show_default=True)
@click.option("--port", envvar="MAIL_STAND_IN_PORT", default=8025, show_default=True)
@click.option("--key", envvar="SENDGRID_API_KEY", help="The only API key to accept; else any.")
@click.option(
    "--latency-ms", envvar="MAIL_STAND_IN_LATENCY_MS", default=0.0, help="Time until each answer."
)
def mail_stand_in(host: str, port: int, key: str | None, latency_ms: float) -> None:
    """Stand in for SendGrid, with a mailbox page at /."""
    uvloop.run(_serve(MailStandIn(host=host, port=port, key=key, latency=latency_ms / 1000)))


async def _serve(stand_in: MailStandIn) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with stand_in:
        print(f"SendGrid's stand-in and its mailbox: {stand_in.url}", flush=True)
        await stopped.wait()
