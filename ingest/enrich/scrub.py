"""What must not be kept of an address: who somebody is, and what opens their account.

E-mail addresses, tokens and card numbers in paths and in values become `[email]`, `[token]`, `[card]`. Ids stay,
or pages could not be told apart; docs/privacy.md says where the line runs. The time is linear in the length of
the text, whatever a sender writes: every repetition below is bounded or gives nothing back.
"""

import functools
import re

EMAIL, TOKEN, CARD = "[email]", "[token]", "[card]"
# No more than this is remembered of one text: a cache of long ones would be a sender's to fill.
SHORT = 256

SUSPECT = re.compile(r"@|%40|[\w+-]{22}|[0-9]{4}[ +-]?[0-9]{4}|eyJ", re.ASCII)
MAIL = re.compile(
    r"""(?<![^\s/?&=#:;,()<>"'])[^\s/?&=#:;,()<>"'@]++@"""
    r"(?:[\w-]{1,63}\.){1,8}(?:xn--[\w-]{1,59}|[^\W\d_]{2,63})(?![\w-])"
)
JWT = re.compile(r"(?<![\w-])eyJ[\w-]{5,}+\.[\w-]{4,}+(?:\.[\w-]*+)*+", re.ASCII)
# The lengths and first digits of the large networks, plain or in the groups that are embossed.
CARDS = re.compile(
    r"(?<![0-9A-Za-z])(?:(?:4[0-9]{3}|5[1-5][0-9]{2}|2[2-7][0-9]{2}|6(?:011|5[0-9]{2}))([ +-]?)"
    r"[0-9]{4}\1[0-9]{4}\1[0-9]{4}|3[47][0-9]{2}([ +-]?)[0-9]{6}\2[0-9]{5})(?![0-9A-Za-z])"
)
WORD = re.compile(r"[\w+-]{22,}+", re.ASCII)
UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
TURNS = re.compile(r"(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])")
HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])")
HEXADECIMAL = re.compile(r"(?=[0-9]*[A-Fa-f])(?=[A-Fa-f]*[0-9])[0-9A-Fa-f]+")
BREAKS = re.compile(r"[_+-]+")


def scrubbed(text: str) -> str:
    """TEXT with marks in the places of what is not kept; the same again for what was scrubbed before."""
    if not SUSPECT.search(text):
        return text
    return _remembered(text) if len(text) <= SHORT else _scrubbed(text)


def _scrubbed(text: str) -> str:
    mailed = MAIL.sub(EMAIL, text.replace("%40", "@"))
    text = mailed if EMAIL in mailed else text
    text = JWT.sub(TOKEN, text)
    text = CARDS.sub(lambda found: CARD if _adds_up(found[0]) else found[0], text)
    return WORD.sub(lambda found: TOKEN if _is_random(found[0]) else found[0], text)


_remembered = functools.lru_cache(maxsize=4096)(_scrubbed)


def _adds_up(number: str) -> bool:
    """By the check digit of ISO/IEC 7812 (Luhn): nine of ten other numbers fail it."""
    digits = [int(sign) for sign in reversed(number) if sign.isdigit()]
    doubled = (sum(divmod(digit * 2, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _is_random(word: str) -> bool:
    """Whether the word was drawn by a machine to be secret: long, of few parts, letters and digits mixed.

    Words of a title are short between their dashes, and digits stand apart from letters. What has one case
    only must be longer: shorter ones are ids (of documents, commits in short, records).
    """
    if UUID.fullmatch(word):
        return False
    one_case = word == word.lower() or word == word.upper()
    if len(word) < (32 if one_case else 22) or len(word) < 7 * len(BREAKS.split(word)):
        return False
    if HEXADECIMAL.fullmatch(word):
        return True
    # Drawn from 62 signs nearly every second place is a turn, from 32 every third.
    turns = len(TURNS.findall(word)) + (0 if one_case else len(HUMPS.findall(word)))
    return turns >= len(word) * (0.1 if one_case else 0.2) and any(sign.isdigit() for sign in word)
