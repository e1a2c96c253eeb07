"""Kafka falls silent or the service dies under those who check tokens: what then is a setting."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Any

import pytest

from dev_stack import process_tree
from gatepost_client import Gatepost, Introspection
from gatepost_client.kafka import Kafka
from tests.clients.python.verdicts import becomes, verdict
from tests.faults.fault import Fault, each, hangs, refuses
from tests.faults.house import RECOVERY_SECONDS, House
from tests.people import SignedIn, member, sign_in
from tests.service_process import ServiceProcess
from tests.user_service.services import registered
from tests.worker_process import WorkerProcess

pytestmark = pytest.mark.anyio
# `most_behind`, and a question that was on its way.
SILENCE_SECONDS = 2.0 + 1.0


def client(house: House, service: ServiceProcess, **more: Any) -> Gatepost:
    issuer = f"http://localhost:{service.port}"
    return Gatepost(issuer, base_url=service.url, **more)


def followed(house: House) -> Kafka:
    """Through the wire that faults are made on."""
    broker = house.corner.variables["KAFKA_BROKER"]
    return Kafka(broker, topic_prefix=house.corner.topic_prefix)


def credentials(house: House) -> Introspection:
    other = registered(house.corner, house.service)
    return Introspection(other.id, other.secret)


async def sessions(house: House, service: ServiceProcess, many: int) -> list[SignedIn]:
    person = await member(house.service, house.mailroom)
    async with service.client() as http:
        return [await sign_in(http, person) for _ in range(many)]


async def log_out(service: ServiceProcess, session: SignedIn) -> None:
    async with service.client() as http:
        answer = await http.post("/api/auth/logout", headers=session.headers)
        assert answer.status_code == 200


async def stays(wanted: str, gatepost: Gatepost, token: str, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert await verdict(gatepost, token) == wanted
        await asyncio.sleep(0.02)


@each(hangs("kafka"), refuses("kafka"))
async def test_while_kafka_is_silent_tokens_are_refused_trusted_or_asked_about_as_was_set(
    house: House, fault: Fault
) -> None:
    stays_in, known, leaves = await sessions(house, house.service, 3)
    kafka, credential = followed(house), credentials(house)
    with WorkerProcess.started(house.corner.variables) as worker:
        worker.come_up()
        async with (
            client(house, house.service, kafka=kafka) as refuses,
            client(house, house.service, kafka=kafka, when_unknown="trust") as trusts,
            client(house, house.service, kafka=kafka, introspection=credential) as asks,
        ):
            for each in (refuses, trusts, asks):
                await becomes("accepted", each, stays_in.access)
            await log_out(house.service, known)
            for each in (refuses, trusts, asks):
                await becomes("rejected", each, known.access)

            fault.begin(house)
            noticed = becomes("unavailable", refuses, stays_in.access, SILENCE_SECONDS)
            trusted = stays("accepted", trusts, stays_in.access, SILENCE_SECONDS)
            asked = stays("accepted", asks, stays_in.access, SILENCE_SECONDS)
            seconds, *_ = await asyncio.gather(noticed, trusted, asked)
            assert await verdict(trusts, known.access) == "rejected"
            await log_out(house.service, leaves)
            await becomes("rejected", asks, leaves.access)
            assert await verdict(refuses, leaves.access) == "unavailable"
            assert await verdict(trusts, leaves.access) == "accepted"
            assert await verdict(trusts, leaves.access[:-5] + "AAAAA") == "rejected"

            fault.end(house)
            back = await becomes("accepted", refuses, stays_in.access, RECOVERY_SECONDS)
            print(f"{fault.name}: noticed after {seconds:.2f} s, back after {back:.2f} s")
            # What was told meanwhile is made up for.
            for each in (refuses, trusts, asks):
                await becomes("rejected", each, leaves.access, RECOVERY_SECONDS)
                await becomes("rejected", each, known.access)
        assert await worker.stop() < 15


async def test_without_the_service_what_kafka_tells_is_enough_and_introspection_is_a_setting(
    house: House,
) -> None:
    with ServiceProcess.started(house.corner.variables) as service:
        [session, later] = await sessions(house, service, 2)
        kafka, credential = followed(house), credentials(house)
        async with (
            client(house, service, kafka=kafka) as follows,
            client(house, service, introspection=credential) as refuses,
            client(house, service, introspection=credential, when_unknown="trust") as trusts,
        ):
            for each in (follows, refuses, trusts):
                assert await verdict(each, session.access) == "accepted"
            process_tree.send(service.process.pid, signal.SIGKILL)
            service.process.wait()
            await becomes("unavailable", refuses, session.access)
            for token in (session.access, later.access):
                await becomes("accepted", follows, token)
                assert await verdict(trusts, token) == "accepted"
                assert await verdict(refuses, token) == "unavailable"
            assert await verdict(trusts, session.access[:-5] + "AAAAA") == "rejected"
