"""One operation under loads of every kind, with the service that answers it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from tests.bench.bench import Bench
from tests.bench.cost import Cost
from tests.bench.operations import Operation
from tests.bench.yardstick import Yardstick
from tests.load import Run
from tests.service_process import ServiceProcess

CONNECTIONS = (1, 32, 256)
USUAL = 32
# A bare answer is cheaper the more of them wait for the same wake-up, and what waits for Postgres
# gains less by that. So the multiples mean something at one number of connections only.
CPU_CONNECTIONS = 8
CPU_TURNS = 3
OPEN_CONNECTIONS = 128
LOAD = 0.7
WARM_UP = 300


@dataclass(frozen=True)
class Measured:
    """`cpu` and `bare_cpu` are seconds for an answer, of loads that took turns.

    `refused` counts what was refused or lost in those turns, by the service or the bare server.
    `costs` are of full loads and `latencies` of open ones, by the number of connections.
    """

    operation: Operation
    cpu: float
    bare_cpu: float
    refused: int
    costs: dict[int, Cost]
    latencies: dict[int, Cost]

    @property
    def best(self) -> float:
        """Answers a second that stand for a full load."""
        return max(cost.run.rate for cost in self.costs.values())


@dataclass(frozen=True)
class Measuring:
    bench: Bench
    service: ServiceProcess
    yardstick: Yardstick

    def measured(self, operation: Operation) -> Measured:
        self.bench.report.console.print(f"  {operation.name}")
        rate = self._closed(operation, WARM_UP, CPU_CONNECTIONS).run.rate
        own, bare = self._turns(operation, rate)
        seconds = self.bench.size.pick(1.0, 4.0)
        costs = {
            connections: self._closed(operation, int(rate * seconds * 1.4), connections)
            for connections in CONNECTIONS
        }
        latencies = {
            connections: self.open(operation, LOAD * cost.run.rate, connections)
            for connections, cost in costs.items()
        }
        return Measured(
            operation,
            median(cost.cpu for cost in own),
            median(cost.cpu for cost in bare),
            sum(len(cost.run.refused.answers) for cost in own + bare),
            costs,
            latencies,
        )

    def open(self, operation: Operation, rate: float, connections: int = OPEN_CONNECTIONS) -> Cost:
        """An open loop of some seconds."""
        requests = operation.requests(max(int(rate * self.bench.size.pick(1.5, 6.0)), 20))
        return self._cost(
            lambda: self.bench.generator.open(
                self.service.url, requests, rate=rate, connections=connections
            )
        )

    def _turns(self, operation: Operation, rate: float) -> tuple[list[Cost], list[Cost]]:
        """The operation's costs, and the bare answer's: turn by turn, for the machine changes."""
        own, bare = [], []
        for _ in range(CPU_TURNS):
            bare.append(self.yardstick.cost(CPU_CONNECTIONS, seconds=0.3))
            own.append(self._closed(operation, int(rate * 0.4), CPU_CONNECTIONS))
        return own, bare

    def _closed(self, operation: Operation, most: int, connections: int) -> Cost:
        requests = operation.requests(most)
        cost = self._cost(
            lambda: self.bench.generator.closed(
                self.service.url,
                requests,
                connections=connections,
                seconds=self.bench.size.pick(1.0, 4.0),
            )
        )
        operation.give_back(requests[len(cost.run.answers) :])
        return cost

    def _cost(self, load: Callable[[], Run]) -> Cost:
        return Cost.of(self.bench, self.service.process.pid, load)
