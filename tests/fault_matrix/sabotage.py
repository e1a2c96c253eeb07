"""The ledger is proved: of a build with one guard removed, its row must turn red."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from dev_stack.mail_stand_in import Fault
from dev_stack.part import REPOSITORY
from tests.fault_matrix.deployment import Deployment
from tests.fault_matrix.faults import let_pass, refuse
from tests.fault_matrix.matrix import Pace, carry_out
from tests.fault_matrix.row import Row, Verdict
from tests.fault_matrix.steps import begun, killed

SOURCES = ("user_service", "email_service", "shared")


@dataclass(frozen=True)
class Sabotage:
    """In `file` the `code` that is the guard is replaced; then the ledger must say `finding`."""

    guard: str
    file: str
    code: str
    replaced_by: str
    row: Row
    finding: str

    def build(self, folder: Path) -> Path:
        """The folder with such a build; raises ValueError where the guard is not found."""
        for source in SOURCES:
            shutil.copytree(REPOSITORY / source, folder / source)
        path = folder / self.file
        text = path.read_text("utf-8")
        if text.count(self.code) != 1:
            raise ValueError(f"{self.file} does not hold once: {self.code}")
        path.write_text(text.replace(self.code, self.replaced_by), "utf-8")
        return folder


@dataclass(frozen=True)
class Proof:
    sabotage: Sabotage
    intact: Verdict
    sabotaged: Verdict

    @property
    def holds(self) -> bool:
        found = any(self.sabotage.finding in problem for problem in self.sabotaged.problems)
        return found and not self.intact.red


async def prove(sabotage: Sabotage, deployment: Deployment, pace: Pace, logs: Path) -> Proof:
    """The same row upon the build as it is and upon the sabotaged one."""
    folder = deployment.parts.home / sabotage.row.file_name
    source = await asyncio.to_thread(sabotage.build, folder)
    logs = logs / sabotage.row.file_name
    return Proof(
        sabotage,
        await carry_out(sabotage.row, deployment, pace, logs / "intact"),
        await carry_out(sabotage.row, deployment, pace, logs / "sabotaged", source),
    )


async def _kill_sending(deployment: Deployment) -> None:
    """Long enough after mails began to take their time that offsets would have been committed."""
    deployment.sendgrid.faults.add(Fault(delay_ms=3000))
    await asyncio.sleep(2)
    await deployment.kill("email")
    deployment.sendgrid.faults.clear()


async def _replace_worker(deployment: Deployment) -> None:
    """What the worker only remembers dies with it."""
    await deployment.kill("worker")
    deployment.parts.kafka_wire.let_pass()
    await deployment.begin("worker")


ALL = (
    Sabotage(
        guard="An offset is committed only when its mail is decided",
        file="shared/kafka/consumer.py",
        code="        assignment.took(message.offset)\n",
        replaced_by="        assignment.next_offset = message.offset + 1\n",
        row=Row("ledger", "the email worker dies sending", _kill_sending, begun("email")),
        finding="mails lost",
    ),
    Sabotage(
        guard="A registration is answered 202 only when Kafka holds its mail",
        file="shared/kafka/producer.py",
        code="                await asyncio.shield(acknowledged)\n",
        replaced_by="                return\n",
        row=Row("ledger", "Kafka is away", refuse("kafka"), let_pass("kafka")),
        finding="mails lost",
    ),
    Sabotage(
        guard="An event leaves the outbox only when Kafka holds it",
        file="user_service/outbox/relay.py",
        code="return _done() if event.decoy else hand_over(event, self.producer, self.kafka)\n",
        replaced_by="hand_over(event, self.producer, self.kafka)\n        return _done()\n",
        row=Row("ledger", "the relay dies without Kafka", refuse("kafka"), _replace_worker),
        finding="events lost",
    ),
    Sabotage(
        guard="A mail that was accepted is marked before it could be sent again",
        file="email_service/delivery.py",
        code="            await self._mark(order)\n",
        replaced_by="",
        row=Row(
            "ledger",
            "the email worker dies between commits",
            killed("email"),
            begun("email"),
            # At so few a second, hardly more than one is being sent.
            doubled_at_most=3,
        ),
        finding="mails doubled",
    ),
)
