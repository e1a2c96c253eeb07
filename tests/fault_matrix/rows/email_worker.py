"""The email worker is killed, frozen, stopped, replaced, and cut off from Redis."""

from __future__ import annotations

import asyncio

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from email_service.worker import GROUP
from shared.dead_letters.reading import DeadLetter
from tests.fault_matrix import steps
from tests.fault_matrix.demands import all_arrive, logged
from tests.fault_matrix.deployment import IN_FLIGHT, Deployment, WireName
from tests.fault_matrix.faults import CALM
from tests.fault_matrix.ledger import EVERYTHING
from tests.fault_matrix.row import ALL_PROCESSES, Row, Step
from tests.fault_matrix.steps import begun, frozen, nothing, terminated
from tests.report import Size

TWO_WORKERS = (*ALL_PROCESSES, "email-2")
SIZE = Size.wanted()

KILLS = SIZE.pick(2, 10)
ROUNDS = SIZE.pick(2, 5)
# Beyond the group's session timeout of six seconds, after which another member takes over.
FROZEN_SECONDS = SIZE.pick(8, 60)
STOPPED_SECONDS = SIZE.pick(4, 60)
BEFORE_THE_FIRST_START = 500

# Mails that are decided, but whose offsets are committed only once a second.
UNCOMMITTED = 40
NOWHERE = "redis://127.0.0.1:1/0"


async def kill_again_and_again(deployment: Deployment) -> None:
    for _ in range(KILLS):
        await deployment.kill("email")
        await deployment.begin("email")
        # The next one strikes in the midst of the backlog, when most is in flight.
        await steps.mail_flows(deployment)


async def thaw(deployment: Deployment) -> None:
    """It finds its partitions lost, drops what it held, and gets some back."""
    before = deployment.logged("delivered", "email")
    deployment.thaw("email")
    deployment.fault_is_over()
    if not await steps.holds(lambda: deployment.logged("delivered", "email") > before, 20):
        deployment.problems.append("the frozen worker never took part again")


async def roll(deployment: Deployment) -> None:
    for _ in range(ROUNDS):
        for name in ("email", "email-2"):
            await deployment.terminate(name)
            await deployment.begin(name)
            await steps.mail_flows(deployment)


# -- stopped for longer than a code lives ----------------------------------------------------------

CODE_SECONDS = SIZE.pick(5, 20)
# A mail that was on its way when its code ended, and what a busy machine adds.
GRACE_SECONDS = 1.0


async def expired_are_dead_letters(deployment: Deployment) -> list[str]:
    """Whoever waited in vain has an expired dead letter, and no mail came after its code."""
    ledger, mailbox = deployment.traffic.ledger, deployment.sendgrid.mailbox
    expired = {_challenge(letter) for letter in await deployment.new_dead_letters()}
    in_vain = {
        ledger.acknowledged[address] for address in ledger.resent if mailbox.count(address) < 2
    }
    late = [each for each in ledger.arrivals if each.seconds > CODE_SECONDS + GRACE_SECONDS]
    wrong = {
        f"{len(late)} mails came when their codes had expired": late,
        f"{len(in_vain - expired)} waited in vain without a dead letter": in_vain - expired,
        "no code has expired": not expired,
    }
    return [said for said, holds in wrong.items() if holds]


def _challenge(letter: DeadLetter) -> str:
    content = letter.content()
    return str(content.get("challenge_id")) if isinstance(content, dict) else ""


# -- the first start of all ------------------------------------------------------------------------


async def produce_before(deployment: Deployment) -> None:
    await asyncio.to_thread(_forget_group, deployment)
    await steps.burst(deployment, BEFORE_THE_FIRST_START)
    acknowledged = deployment.traffic.ledger.acknowledged
    if not await steps.holds(lambda: len(acknowledged) > BEFORE_THE_FIRST_START, 30):
        deployment.problems.append("too few events were produced before the first start")


def _forget_group(deployment: Deployment) -> None:
    """Make the group one that was never there, and its topics begin where it had come to."""
    admin = AdminClient({"bootstrap.servers": deployment.parts.kafka.url})
    group = deployment.corner.topic_prefix + GROUP
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
    committed = asked[group].result(10).topic_partitions
    ends = [TopicPartition(at.topic, at.partition, at.offset) for at in committed if at.offset > 0]
    if ends:
        for deleted in admin.delete_records(ends).values():
            deleted.result(10)
        admin.delete_consumer_groups([group])[group].result(10)


# -- SIGTERM while something hangs -----------------------------------------------------------------

# Beyond the second for which a request waits for Redis: until then nobody is refused.
HUNG_SECONDS = 1.5


def _sigterm_while_hung(name: WireName) -> tuple[Step, Step]:
    async def strike(deployment: Deployment) -> None:
        deployment.wire(name).blackhole()
        await asyncio.sleep(HUNG_SECONDS)
        await deployment.terminate("email")

    async def heal(deployment: Deployment) -> None:
        deployment.wire(name).let_pass()
        await deployment.begin("email")

    return strike, heal


async def kill_and_begin(deployment: Deployment) -> None:
    await deployment.kill("email")
    await deployment.begin("email")


ROWS = (
    Row(
        "email worker",
        f"kill -9, {KILLS} times",
        kill_again_and_again,
        nothing,
        lasts=0,
        unharmed=EVERYTHING,
        longest_wait=3,
        demands=(all_arrive,),
        principal=True,
    ),
    Row(
        "email worker",
        "hangs (SIGSTOP) beyond its session, beside another",
        frozen("email"),
        thaw,
        processes=TWO_WORKERS,
        lasts=FROZEN_SECONDS,
        deaths=1,
        unharmed=EVERYTHING,
        longest_wait=3,
        demands=(all_arrive,),
    ),
    Row(
        "email worker",
        f"two members, SIGTERM in turn, {ROUNDS} times",
        roll,
        nothing,
        processes=TWO_WORKERS,
        lasts=0,
        doubled_at_most=0,
        unharmed=EVERYTHING,
        demands=(all_arrive,),
        principal=True,
    ),
    Row(
        "email worker",
        f"stopped for {STOPPED_SECONDS} s",
        terminated("email"),
        begun("email"),
        lasts=STOPPED_SECONDS,
        unharmed=EVERYTHING,
        longest_wait=STOPPED_SECONDS - 1,
        demands=(all_arrive,),
    ),
    Row(
        "email worker",
        "stopped for longer than a code lives",
        terminated("email"),
        begun("email"),
        settings={"CODE_SECONDS": str(CODE_SECONDS)},
        lasts=CODE_SECONDS + 3,
        resend_after=CODE_SECONDS + 3,
        # Whose mail came in the last moment may be too late.
        statuses=frozenset({410}),
        dead_letters=frozenset({"expired"}),
        unharmed=EVERYTHING - {"verify"},
        demands=(all_arrive, expired_are_dead_letters),
    ),
    Row(
        "email worker",
        f"first start, after {BEFORE_THE_FIRST_START} events",
        produce_before,
        begun("email"),
        later=("email",),
        lasts=0,
        # Those five hundred verify and log in at once besides.
        rate=CALM,
        unharmed=frozenset({"verify", "log in", "profile"}),
        longest_wait=3,
        demands=(all_arrive,),
    ),
    Row(
        "email worker",
        "SIGTERM while Kafka hangs",
        *_sigterm_while_hung("kafka"),
        lasts=0,
        unharmed=frozenset({"verify", "log in", "profile"}),
        least_refused=1,
        longest_wait=2,
    ),
    Row(
        "email worker",
        "SIGTERM while Redis hangs",
        *_sigterm_while_hung("redis"),
        lasts=0,
        unharmed=frozenset({"profile"}),
        least_refused=1,
    ),
    Row(
        "email worker",
        "SIGTERM while SendGrid hangs",
        *_sigterm_while_hung("sendgrid"),
        lasts=0,
        unharmed=EVERYTHING,
        # What the wire has swallowed arrives after all.
        doubled_at_most=IN_FLIGHT,
        longest_wait=3,
        demands=(all_arrive,),
    ),
    Row(
        "email worker",
        "without Redis, and kill -9",
        kill_and_begin,
        nothing,
        more_settings={"email": {"REDIS_URL": NOWHERE}},
        unharmed=EVERYTHING,
        # Without marks, so is what was mailed within the second before the last commit.
        doubled_at_most=IN_FLIGHT + UNCOMMITTED,
        longest_wait=3,
        demands=(all_arrive, logged("redis_unavailable")),
    ),
)
