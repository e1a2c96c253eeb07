"""How long after a registration its mail is accepted, with nothing else going on.

`python -m tests.bench.mail_latency` runs all three processes at their real Argon2 cost.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from dev_stack import parts
from dev_stack.mail_stand_in import MailStandIn
from tests.bench.request_cost import NO_LIMITS, raw_hashes
from tests.corner import Corner
from tests.people import Person, register
from tests.service_process import ServiceProcess, free_port
from tests.system.daemon import daemon

PEOPLE = 100
REAL_COST = {"ARGON2_MEMORY_KIB": "19456", "ARGON2_TIME": "2"}


async def latencies(corner: Corner) -> list[float]:
    """Seconds from sending a registration to the stand-in's acceptance of its mail."""
    port = free_port()
    async with MailStandIn(key="SG.key") as sendgrid:
        variables = corner.variables | {
            "SENDGRID_API_KEY": "SG.key",
            "SENDGRID_BASE_URL": sendgrid.url,
            "FROM_EMAIL": "no-reply@gatepost.example",
            "EMAIL_PROBE_PORT": str(port),
        }
        with ExitStack() as processes:
            logs = Path(processes.enter_context(tempfile.TemporaryDirectory()))
            processes.enter_context(
                daemon("email_service", "run", variables=variables, port=port, logs=logs)
            )
            service = processes.enter_context(
                ServiceProcess.started(corner.variables, **NO_LIMITS, **REAL_COST)
            )
            return [await _one(service, sendgrid) for _ in range(PEOPLE)]


async def _one(service: ServiceProcess, sendgrid: MailStandIn) -> float:
    person = Person()
    async with service.client() as client:
        began = time.time()
        await register(client, person)
        mail = await sendgrid.mailbox.wait_for(person.email, 10)
        return mail.received_at.timestamp() - began


def main() -> None:
    with ExitStack() as stack:
        os.environ.update(stack.enter_context(parts.disposable()).variables)
        corner = stack.enter_context(Corner.made("bench"))
        seconds = sorted(asyncio.run(latencies(corner)))
    hash_ms = 1000 / raw_hashes()
    p50, p99 = statistics.median(seconds) * 1000, seconds[int(len(seconds) * 0.99)] * 1000
    print(f"one hash {hash_ms:.1f} ms; to the accepted mail p50 {p50:.1f}, p99 {p99:.1f} ms")
    print(f"p50 less the hash: {p50 - hash_ms:.1f} ms (target ≤ 20)")


if __name__ == "__main__":
    main()
