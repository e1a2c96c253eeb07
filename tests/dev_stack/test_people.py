"""The demo's people are as different as real ones, and no two are the same."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from dev_stack.demo.people import LONGEST_LOCAL_PART, people


def test_no_two_people_share_an_address_or_a_network() -> None:
    everybody = people(2000)
    assert len({person.email for person in everybody}) == 2000
    networks = {network_of(person.client_address) for person in everybody}
    assert len(networks) == 2000


def network_of(address: str) -> int:
    """What limits are counted by at their widest: an IPv4 address, an IPv6 /48."""
    parsed = ip_address(address)
    return int(parsed) >> 80 if isinstance(parsed, IPv6Address) else int(parsed)


def test_people_bring_along_what_breaks_services() -> None:
    everybody = people(100)
    assert any("+" in person.email for person in everybody)
    assert any(not person.typed_email.isascii() for person in everybody)
    assert any(not person.password.isascii() for person in everybody)
    assert all(person.email.isascii() for person in everybody)
    longest = max(len(person.email.partition("@")[0]) for person in everybody)
    assert longest == LONGEST_LOCAL_PART
