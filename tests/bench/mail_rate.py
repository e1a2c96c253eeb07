"""How many mails the email worker sends per second of its own CPU, against a SendGrid of 20 ms.

`python -m tests.bench.mail_rate [mails]`, with KAFKA_BROKER and REDIS_URL set.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from dev_stack.mail_stand_in import Mailbox, MailStandIn
from shared import topics
from shared.events import new_id
from shared.kafka import KafkaConnection, Producer, create_topics
from shared.topics import SEND_NOTICE, SEND_OTP
from tests.bench.process_cpu import cpu_seconds
from tests.email_service.post_office import KEY, PostOffice

WARM_UP = 500


async def measure(mails: int) -> None:
    connection = KafkaConnection(
        brokers=os.environ["KAFKA_BROKER"], topic_prefix=f"bench-{new_id()[:8]}-"
    )
    mail_topics = [SEND_OTP, SEND_NOTICE]
    await create_topics(connection, mail_topics + [topics.dead_letters_of(t) for t in mail_topics])
    producer = Producer(connection, timeout=60)
    producer.start()
    async with MailStandIn(key=KEY, latency=0.02, mailbox=Mailbox(100)) as sendgrid:
        with tempfile.TemporaryDirectory() as folder:
            office = PostOffice(
                connection, os.environ["REDIS_URL"], sendgrid, producer, Path(folder)
            )
            async with office.worker() as worker:
                await _send(office, WARM_UP)
                before, started = cpu_seconds(worker.process.pid), time.monotonic()
                await _send(office, mails)
                cpu = cpu_seconds(worker.process.pid) - before
                wall = time.monotonic() - started
    await producer.close()
    print(f"{mails} mails, {sendgrid.mailbox.doubled} doubled: {cpu:.2f} s CPU, {wall:.2f} s")
    print(f"{mails / cpu:.0f} mails per CPU second, {mails / wall:.0f} per second")


async def _send(office: PostOffice, mails: int) -> None:
    target = office.sendgrid.mailbox.count() + mails
    await office.ask_many([f"person{n}@example.org" for n in range(mails)])
    while office.sendgrid.mailbox.count() < target:  # noqa: ASYNC110
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
