"""What a site's own rules say and what they match: addresses, countries, hosts, paths, referrers. Pure.

The rows are `ingest.models.Shield`; a site's are compiled once, when the site is read, and then asked for each
of its events. However many there are, an event costs a look or two in a table, of paths one walk.
"""

import ipaddress
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from django.core.exceptions import ValidationError

from ingest.webaddress import HOST_MAX, host_of, path_of

VALUE_MAX = 300
# More would be another product: who blocks a data centre blocks its ranges, not its addresses.
MOST = 500
MOST_PATH_CHARACTERS = 10_000  # of a site's path rules together

# ISO 3166-1 alpha-2, November 2026, and XK, which geography files write for Kosovo.
CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC
CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD
GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH
KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW
MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC
SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY
UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
"""
COUNTRIES = frozenset(CODES.split())
HOST = re.compile(r"(?:[\w-]{1,63}\.)*[\w-]{1,63}")
WILDCARDS = re.compile(r"\*{2,}|\*|[^*]", re.DOTALL)


class Rule(NamedTuple):
    id: int
    kind: str
    value: str  # as `normal` makes it


class Matcher(Protocol):
    def match(self, subject: str) -> int | None:
        """The id of a rule that covers SUBJECT."""


# --- As an owner writes them ------------------------------------------------------------------------------


def normal(kind: str, value: str) -> str:
    """VALUE in its one form. Raises ValidationError with a sentence for whoever wrote it."""
    value = value.strip()
    if not 0 < len(value) <= VALUE_MAX:
        raise ValidationError(f"{value[:20]!r}: must have 1 to {VALUE_MAX} characters.")
    return NORMAL[kind](value)


def _address(value: str) -> str:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValidationError(
            f"{value}: is no address or range. Write 10.1.2.3, 10.0.0.0/8 or 2001:db8::/32."
        ) from None
    if network.prefixlen == 0:
        raise ValidationError(f"{value}: covers every address. To count nobody, pause the site.")
    single = network.network_address
    if network.prefixlen == network.max_prefixlen:
        return str(getattr(single, "ipv4_mapped", None) or single)
    return str(network)


def _country(value: str) -> str:
    if (code := value.upper()) not in COUNTRIES:
        raise ValidationError(f"{value}: is no country. Write its two letters of ISO 3166, such as DE, GB or US.")
    return code


def _host(value: str) -> str:
    name = host_of(value)
    if len(name) > HOST_MAX or not HOST.fullmatch(name.removeprefix("*.")):
        raise ValidationError(f"{value}: is no host. Write shop.example.com, or *.example.com for all below it too.")
    return name


def _referrer(value: str) -> str:
    name = host_of(value).removeprefix("*.")
    if len(name) > HOST_MAX or not HOST.fullmatch(name):
        raise ValidationError(f"{value}: is no host. Write example.com, which covers all hosts below it.")
    return name


def _path(value: str) -> str:
    if not value.startswith(("/", "*")) or "?" in value or "#" in value:
        raise ValidationError(f"{value}: is no path. Write /admin, /admin/** or /*/preview, without ? or #.")
    if value != "/" and not value.strip("/*"):
        raise ValidationError(f"{value}: covers almost every page. To count nobody, pause the site.")
    return re.sub(r"\*{3,}", "**", path_of(value))


NORMAL: dict[str, Callable[[str], str]] = {
    "address": _address,
    "country": _country,
    "host": _host,
    "path": _path,
    "referrer": _referrer,
}

# --- As the door asks them --------------------------------------------------------------------------------


class Addresses:
    """One table for each size of range: as many looks as there are sizes, however many ranges."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.of_size: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)
        for rule in rules:
            network = ipaddress.ip_network(rule.value)
            spare = network.max_prefixlen - network.prefixlen
            self.of_size[network.version, spare][int(network.network_address) >> spare] = rule.id

    def match(self, subject: str) -> int | None:
        try:
            address = ipaddress.ip_address(subject)
        except ValueError:
            return None
        address = getattr(address, "ipv4_mapped", None) or address
        number = int(address)
        found = (
            networks.get(number >> spare)
            for (version, spare), networks in self.of_size.items()
            if version == address.version
        )
        return next((rule for rule in found if rule is not None), None)


class Countries:
    def __init__(self, rules: Iterable[Rule]) -> None:
        self.of_code = {rule.value: rule.id for rule in rules}

    def match(self, subject: str) -> int | None:
        return self.of_code.get(subject.upper())


class Hosts:
    """Exactly the host, or with `*.` in front it and all below it."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.exactly: dict[str, int] = {}
        self.below: dict[str, int] = {}
        for rule in rules:
            under = rule.value.startswith("*.")
            (self.below if under else self.exactly)[rule.value.removeprefix("*.")] = rule.id

    def match(self, subject: str) -> int | None:
        host = subject.lower().rstrip(".")
        if len(host) > HOST_MAX:
            return None
        rule = self.exactly.get(host)
        while rule is None and host:
            rule = self.below.get(host)
            host = host.partition(".")[2]
        return rule


class Referrers(Hosts):
    """The host and all below it."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        super().__init__(rule._replace(value=f"*.{rule.value}") for rule in rules)


class Paths:
    """All patterns of a site in one automaton, one bit for each place in each of them.

    A path is walked once, and left as soon as no pattern can still fit. Regular expressions would try again
    and again where a pattern has several wildcards: what a sender writes must not decide what it costs.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.literal: dict[str, int] = defaultdict(int)  # a character -> the places that wait for it
        self.start = self.within = self.across = self.ended = 0
        self.rule_of: dict[int, int] = {}
        place = 1
        for rule in rules:
            self.start |= place
            for sign in WILDCARDS.findall(rule.value):
                self._wait(place, sign)
                place <<= 1
            self.rule_of[place] = rule.id
            self.ended |= place
            place <<= 1
        self.start = self._skipped(self.start)
        self.literal.default_factory = None  # asking must not add

    def _wait(self, place: int, sign: str) -> None:
        if sign[0] != "*":
            self.literal[sign] |= place
            return
        self.within |= place
        if len(sign) > 1:
            self.across |= place

    def _skipped(self, state: int) -> int:
        """A wildcard may stand for nothing; two never stand side by side."""
        return state | (state & self.within) << 1

    def match(self, subject: str) -> int | None:
        state = self.start
        for sign in subject:
            stays = state & (self.across if sign == "/" else self.within)
            state = self._skipped((state & self.literal.get(sign, 0)) << 1 | stays)
            if not state:
                return None
        state &= self.ended
        return self.rule_of[state & -state] if state else None


MATCHERS: dict[str, Callable[[list[Rule]], Matcher]] = {
    "address": Addresses,
    "country": Countries,
    "host": Hosts,
    "path": Paths,
    "referrer": Referrers,
}


class Rules:
    """The rules of one site; false when it has none."""

    __slots__ = ("_of_kind",)

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        of_kind: dict[str, list[Rule]] = defaultdict(list)
        for rule in rules:
            of_kind[rule.kind].append(rule)
        self._of_kind: dict[str, Matcher] = {kind: MATCHERS[kind](found) for kind, found in of_kind.items()}

    def __bool__(self) -> bool:
        return bool(self._of_kind)

    def __contains__(self, kind: str) -> bool:
        return kind in self._of_kind

    def matching(self, kind: str, subject: str | None) -> int | None:
        """The id of a rule of KIND that covers SUBJECT, None when none does or there is no subject."""
        if subject is None or kind not in self._of_kind:
            return None
        return self._of_kind[kind].match(subject)


NO_RULES = Rules()


def expression(pattern: str) -> str:
    """A path's pattern as a regular expression of PostgreSQL, whose automaton is as linear as ours."""
    signs = (ANY.get(sign[:2]) or re.escape(sign) for sign in WILDCARDS.findall(pattern))
    return f"^{''.join(signs)}$"


ANY = {"*": "[^/]*", "**": ".*"}
