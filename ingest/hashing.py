"""The 64-bit numbers by which visitors and sessions are kept."""

import hashlib


def digest(key: bytes, text: str) -> int:
    """A signed 64-bit number, as a bigint column holds."""
    hashed = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=key[:64], digest_size=8)
    return int.from_bytes(hashed.digest(), "big", signed=True)
