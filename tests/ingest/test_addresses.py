import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import addresses


def test_it_works() -> None:
    assert addresses.packed("198.51.100.4") == bytes([198, 51, 100, 4])
    assert addresses.packed("2001:db8::1") == ipaddress.ip_address("2001:db8::1").packed


@pytest.mark.parametrize(
    "text", ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4/8", "localhost", "1.2.3.4\0", "١.٢.٣.٤"]
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert addresses.packed(text) is None


@given(st.ip_addresses())
def test_it_reads_what_the_standard_library_writes(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert addresses.packed(str(address)) == address.packed


@pytest.mark.parametrize(
    "text", ["10.1.2.3", "127.0.0.1", "192.168.1.9", "169.254.0.1", "100.64.0.1", "::1", "fe80::1"]
)
def test_private_and_reserved_ones_are_not_public(text: str) -> None:
    assert not addresses.is_public(ipaddress.ip_address(text).packed)


@given(st.ip_addresses())
def test_it_agrees_with_the_standard_library(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if address not in ipaddress.ip_network("192.0.0.0/24") and address != ipaddress.ip_address("255.255.255.255"):
        assert addresses.is_public(address.packed) == address.is_global
