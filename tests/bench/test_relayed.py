"""What the benchmark tells of the relay's order."""

from __future__ import annotations

from tests.bench.relayed import Relayed, out_of_order


def test_only_an_event_behind_a_later_one_of_its_user_and_topic_is_out_of_order() -> None:
    def event(topic: str, key: str, version: int) -> Relayed:
        return Relayed("id", topic, key, version, 0.0)

    ann = [event("user_updated", "ann", version) for version in (1, 4, 3, 5)]
    others = [event("user_updated", "bob", 2), event("email_changed", "ann", 2)]
    assert out_of_order([*ann, *others]) == 1
