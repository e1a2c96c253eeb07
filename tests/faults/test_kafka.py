"""Kafka is refused, hangs or is killed: nothing can be mailed, and nothing else notices."""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import suppress
from datetime import timedelta

import httpx
import pytest

from shared.events import new_id
from shared.kafka import KafkaConnection, KafkaUnavailable, Producer, create_topics
from shared.topics import Topic
from tests.faults.fault import Fault, dies, each, hangs, refuses
from tests.faults.house import (
    ANSWER_SECONDS,
    KNOWN_OUTAGE_SECONDS,
    House,
    assert_unavailable,
    timed,
    until,
)
from tests.people import (
    Person,
    ask_to_register,
    fresh_network,
    log_in,
    member,
    register,
    resend,
    verify,
)
from tests.service_process import ServiceProcess

pytestmark = pytest.mark.anyio


# The only one in which a client cannot tell whether something was sent.
HUNG = hangs("kafka")


async def fail_to_register(client: httpx.AsyncClient, person: Person) -> float:
    """The seconds that the refusal took."""
    answer, seconds = await timed(ask_to_register(client, person))
    assert_unavailable(answer)
    return seconds


@each(refuses("kafka"), HUNG, dies("kafka"))
async def test_registering_is_refused_in_time_and_works_again_without_a_restart(
    house: House, fault: Fault
) -> None:
    attempts = house.attempts()
    first, later = [Person() for _ in range(3)], [Person() for _ in range(9)]
    async with house.service.client() as client:
        fault.begin(house)
        times = await asyncio.gather(*[fail_to_register(client, person) for person in first])
        assert max(times) < ANSWER_SECONDS
        known = [await fail_to_register(client, person) for person in later]
        assert statistics.median(known) < KNOWN_OUTAGE_SECONDS
        assert house.attempts() == attempts
        fault.end(house)

        patient = Person()
        recovery = await until(lambda: registers(client, patient))
        print(fault.name, f"first {max(times):.2f} s, known {statistics.median(known):.3f} s,")
        print(f"recovered in {recovery:.2f} s")
        # Whoever certainly got no mail has spent nothing of what their address may be mailed.
        for person in [*later, *(first if fault is not HUNG else [])]:
            await register(client, person)


async def registers(client: httpx.AsyncClient, person: Person) -> bool:
    answer = await ask_to_register(client, person)
    assert answer.status_code in (202, 503), answer.text
    return answer.status_code == 202


@each(refuses("kafka"), HUNG)
async def test_login_profile_and_verify_do_not_notice(house: House, fault: Fault) -> None:
    known, newcomer = await member(house.service, house.mailroom), Person()
    async with house.service.client() as client:
        registration_id = await register(client, newcomer)
        code = house.mailroom.code(registration_id)
        fault.begin(house)
        refusals = [asyncio.create_task(fail_to_register(client, Person())) for _ in range(3)]

        verified, seconds = await timed(verify(client, newcomer, registration_id, code))
        assert (verified.status_code, seconds < 1) == (201, True)
        for _ in range(3):
            logged_in, seconds = await timed(log_in(client, known))
            assert (logged_in.status_code, seconds < 1) == (200, True)
            token = logged_in.json()["data"]["token"]
            profile, seconds = await timed(
                client.get("/api/auth/profile", headers={"authorization": f"Bearer {token}"})
            )
            assert (profile.status_code, seconds < 1) == (200, True)

        await asyncio.gather(*refusals)
        assert (await client.get("/health/ready")).status_code == 200
        assert (await client.get("/health/live")).status_code == 200
        parts = (await client.get("/health")).json()["parts"]
        assert (parts["kafka"], parts["postgres"], parts["redis"]) == ("down", "up", "up")


async def test_a_resend_that_was_not_mailed_is_refused_and_may_be_repeated(house: House) -> None:
    person = Person()
    async with house.service.client() as client:
        registration_id = await register(client, person)
        person.network = fresh_network()  # one mail a minute from each
        house.parts.kafka_wire.refuse()
        refused, seconds = await timed(resend(client, person, registration_id))
        assert_unavailable(refused)
        assert seconds < ANSWER_SECONDS
        house.parts.kafka_wire.let_pass()

        asked = 0

        async def succeeds() -> bool:
            nonlocal asked
            asked += 1
            answer = await resend(client, person, registration_id)
            assert answer.status_code in (202, 503), answer.text
            return answer.status_code == 202

        await until(succeeds)
        code = house.mailroom.code(registration_id, sequence=2 + asked)
        assert (await verify(client, person, registration_id, code)).status_code == 201


async def test_nothing_is_acknowledged_without_an_event(house: House) -> None:
    async with house.service.client() as client:
        await register(client, Person())

        async def ask(after: float) -> httpx.Response:
            await asyncio.sleep(after)
            return await ask_to_register(client, Person())

        asked = [asyncio.create_task(ask(after=number / 10)) for number in range(30)]
        await asyncio.sleep(0.5)
        house.parts.kafka.freeze()
        await asyncio.sleep(0.8)
        house.parts.kafka.thaw()
        await asyncio.sleep(0.5)
        house.parts.kafka_wire.reset()
        await asyncio.sleep(0.3)
        house.parts.kafka_wire.refuse()
        answers = await asyncio.gather(*asked)

    acknowledged = [answer.json()["data"] for answer in answers if answer.status_code == 202]
    assert len(acknowledged) > 5
    assert any(answer.status_code == 503 for answer in answers)
    for data in acknowledged:
        house.mailroom.about(data["registration_id"])


async def test_only_what_was_handed_over_after_the_cut_is_refused_for_certain(
    house: House,
) -> None:
    variables = house.corner.variables
    connection = KafkaConnection(
        brokers=variables["KAFKA_BROKER"], topic_prefix=house.corner.topic_prefix
    )
    proof = Topic(new_id(), partitions=1, retention=timedelta(minutes=1))
    await create_topics(connection, [proof])
    producer, name = Producer(connection, timeout=1.0), connection.topic_name(proof)
    producer.start()

    async def first() -> bool:
        with suppress(KafkaUnavailable):
            await producer.produce(name, None, b"first", [])
            return True
        return False

    await until(first)
    house.parts.kafka_wire.blackhole()
    sent = asyncio.create_task(producer.produce(name, None, b"sent, and not acknowledged", []))
    await asyncio.sleep(0.1)
    house.parts.kafka_wire.refuse()
    async with asyncio.timeout(5):
        while not producer._client.cut_off:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    never_sent = asyncio.create_task(producer.produce(name, None, b"never sent", []))
    refusals = await asyncio.gather(sent, never_sent, return_exceptions=True)
    certain = [refusal.certain for refusal in refusals if isinstance(refusal, KafkaUnavailable)]
    assert certain == [False, True]
    await producer.close(0)


async def test_sigterm_while_kafka_hangs_answers_what_is_in_flight_and_exits_in_time(
    house: House,
) -> None:
    with ServiceProcess.started(house.corner.variables) as service:
        async with service.client() as client:
            await register(client, Person())
            house.parts.kafka.freeze()
            refusal = asyncio.create_task(fail_to_register(client, Person()))
            await asyncio.sleep(0.3)
            began = time.monotonic()
            code = await asyncio.to_thread(service.stop)
            assert (code, time.monotonic() - began < 15) == (0, True)
            await refusal
    print(f"exit after {time.monotonic() - began:.2f} s")
