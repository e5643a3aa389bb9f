"""Internet addresses by the C library's reading, some twenty times as fast as `ipaddress`.

No address is remembered here, only whether a network of 256 is a public one.
"""

import functools
import ipaddress
import socket


def packed(address: str) -> bytes | None:
    """4 or 16 bytes; None when it is no address."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_pton(family, address)
        except (OSError, ValueError):  # ValueError: U+0000, or what is no ASCII
            continue
    return None


def is_public(address: bytes) -> bool:
    """Whether a packed address is one of the internet's, and not of a private network or a reserved range."""
    return _is_public_network(address[:3]) if len(address) == 4 else ipaddress.IPv6Address(address).is_global


@functools.lru_cache(maxsize=16_384)
def _is_public_network(prefix: bytes) -> bool:
    # No reserved range of IPv4 is smaller than this, but for single addresses inside of 192.0.0.0/24.
    return ipaddress.IPv4Address(prefix + b"\1").is_global
