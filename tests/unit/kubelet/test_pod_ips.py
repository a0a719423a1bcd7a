"""`kubelet.pod_ips`: addresses in turn, none twice."""

from __future__ import annotations

import pytest

from podpass.kubelet.pod_ips import NoAddressLeft, PodAddresses


def test_addresses_are_handed_out_in_turn() -> None:
    addresses = PodAddresses("10.128.1.0/24")
    first = addresses.take()
    assert first == "10.128.1.2"
    addresses.release(first)
    assert addresses.take() == "10.128.1.3", "one that was just given back rests"


def test_addresses_in_use_are_passed_over() -> None:
    addresses = PodAddresses("10.128.1.0/24")
    addresses.keep("10.128.1.2")
    assert addresses.take() == "10.128.1.3"


def test_a_range_is_used_up_to_its_end_and_then_again() -> None:
    addresses = PodAddresses("10.128.1.0/29")
    taken = [addresses.take() for _ in range(5)]
    assert taken == [f"10.128.1.{number}" for number in range(2, 7)]
    with pytest.raises(NoAddressLeft, match="are in use"):
        addresses.take()
    addresses.release("10.128.1.4")
    assert addresses.take() == "10.128.1.4"


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        PodAddresses("10.128.1.0/99")
