"""What the worker counts and measures."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """All figures of one worker, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.delivered = Counter(
            "gatepost_mails_delivered", "Mails that were accepted.", ["email"], registry=registry
        )
        self.retried = Counter(
            "gatepost_mails_retried", "Tries that failed and are repeated.", registry=registry
        )
        self.expired = Counter(
            "gatepost_mails_expired", "Mails whose code ended before.", registry=registry
        )
        self.skipped = Counter(
            "gatepost_mails_skipped", "Redelivered events, mailed before.", registry=registry
        )
        self.dead = Counter(
            "gatepost_mails_dead", "Messages put aside, by reason.", ["reason"], registry=registry
        )
        self.unmarked = Counter(
            "gatepost_mails_undeduplicated",
            "Steps of de-duplication left out because Redis did not answer.",
            ["step"],
            registry=registry,
        )
        self.seconds = Histogram(
            "gatepost_mail_seconds",
            "From the request to the provider's acceptance.",
            buckets=SECONDS,
            registry=registry,
        )

    def watch(
        self,
        undecided: Callable[[], float],
        lag: Callable[[], float],
        key_refused: Callable[[], float],
    ) -> None:
        """Read these whenever the metrics are asked for."""
        for name, text, read in (
            ("gatepost_mails_undecided", "Messages taken and not yet decided.", undecided),
            ("gatepost_mails_lag", "Messages produced and not yet committed.", lag),
            ("gatepost_mail_key_refused", "1 while the provider refuses our key.", key_refused),
        ):
            Gauge(name, text, registry=self.registry).set_function(read)
