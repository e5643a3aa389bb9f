"""One form of each host and path, so that one page is one row however its address is written.

Hosts: small letters, no dot at the end, international names in their own script. Paths: percent-encoding only where
it means something or keeps a sign from being seen (`%2F`, `%20`, `%E2%80%AE`), in capitals; composed characters.
Double slashes and a slash at the end stay: they may be other pages.
"""

import re
import unicodedata

ESCAPES = re.compile(r"(?<!%)(?<!%[0-9A-Fa-f])(?:%[0-9A-Fa-f]{2})+")  # not behind a % that stands for itself
ESCAPE = re.compile(r"(%[0-9A-F]{2})")
HOST_MAX = 253  # characters; what is longer is no host and is left as it is
# Marks on one letter: UAX #15 lets texts have 30. A sender may write thousands, and to put them in order takes the
# square of their number.
MARKS_MAX = 30
UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")  # RFC 3986, 2.3


def host_of(written: str) -> str:
    """Of a host without its port. One whose punycode says nothing that could be a name stays as it is."""
    host = written.lower().rstrip(".")
    if len(host) > HOST_MAX or (host.isascii() and "xn--" not in host):
        return host
    return ".".join(_label(label) for label in unicodedata.normalize("NFC", host).lower().split("."))


def _label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        name = label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, OverflowError, ValueError):
        return label
    is_name = all(sign == "-" or unicodedata.category(sign)[0] in "LMN" for sign in name)
    # Punycode of what needs none would give one host two forms, or pass for another.
    is_needed = not name.isascii() and name == unicodedata.normalize("NFC", name).lower()
    return name if is_name and is_needed and not name.startswith("xn--") else label


def path_of(written: str) -> str:
    """Never longer than it was but for spaces, which are written %20."""
    if "%" not in written and written.isascii():
        return written.replace(" ", "%20")
    decoded = ESCAPES.sub(_decoded, written.replace(" ", "%20"))
    # Piece by piece: an accent behind %2C would be put on the C.
    return "".join(piece if ESCAPE.fullmatch(piece) else _composed(piece) for piece in ESCAPE.split(decoded))


def _composed(text: str) -> str:
    return text if text.isascii() or _is_piled(text) else unicodedata.normalize("NFC", text)


def _is_piled(text: str) -> bool:
    """Whether a letter bears more marks than any language writes."""
    marks = 0
    for sign in text:
        marks = marks + 1 if unicodedata.combining(sign) else 0
        if marks > MARKS_MAX:
            return True
    return False


def _decoded(escapes: re.Match[str]) -> str:
    return "".join(map(_sign, bytes.fromhex(escapes[0].replace("%", "")).decode("utf-8", "surrogateescape")))


def _sign(sign: str) -> str:
    if sign in UNRESERVED or (not sign.isascii() and unicodedata.category(sign)[0] in "LMNPS"):
        return sign
    return "".join(f"%{byte:02X}" for byte in sign.encode("utf-8", "surrogateescape"))
