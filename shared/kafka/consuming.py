"""A consumer's life inside a daemon: until somebody asks it to stop, and then in good order."""

from __future__ import annotations

import asyncio

import structlog

from shared.kafka.consumer import Consumer

DRAIN_SECONDS = 10.5
# Brokers that hang could hold the last commit for a minute.
FAREWELL_SECONDS = 3.0

log = structlog.get_logger()


async def consume_until(stopping: asyncio.Event, consumer: Consumer) -> bool:
    """Consume until `stopping` is set; returns whether the group could be left in good order.

    If it could not, a thread still waits for hung brokers, and would hold up the process's exit.
    """
    loop = asyncio.get_running_loop()
    consuming = asyncio.create_task(consumer.run())
    asked = asyncio.create_task(stopping.wait())
    await asyncio.wait({consuming, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    consumer.stop()
    log.info("stopping", in_flight=consumer.undecided)
    drained_by = loop.time() + DRAIN_SECONDS
    while consumer.undecided and not consuming.done() and loop.time() < drained_by:
        await asyncio.wait({consuming}, timeout=0.05)
    await asyncio.wait({consuming}, timeout=FAREWELL_SECONDS)
    if not consuming.done():
        log.warning("left_without_farewell", undecided=consumer.undecided)
        return False
    await consuming
    log.info("stopped")
    return True
