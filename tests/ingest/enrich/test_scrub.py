"""What of an address is not kept, and what stays."""

import base64
import secrets
import time
import uuid

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ingest.enrich.scrub import SHORT, _remembered, scrubbed

HEX = "0123456789abcdef0123456789abcdef"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqbyJ9.c2lnbmF0dXJl-_x"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/u/jo@mail.example/orders", "/u/[email]/orders"),
        ("/u/jo%40mail.example/orders", "/u/[email]/orders"),
        ("/u/jo.b+x@sub.mail.example", "/u/[email]"),
        ("mailto:jo@mail.example", "mailto:[email]"),
        ("/müller@mail.example", "/[email]"),
        ("/jo@xn--mller-kva.xn--p1ai", "/[email]"),
        ("/a@b.example,c@d.example", "/[email],[email]"),
        (f"/reset/{HEX}/", "/reset/[token]/"),
        (f"/reset/MQ/c5z2v3-{HEX}", "/reset/MQ/[token]"),
        (f"/reset/{HEX.upper()}", "/reset/[token]"),
        (f"/join?t={JWT}&x=1", "/join?t=[token]&x=1"),
        ("/invite/Drmhze6EPcv0fN_81Bj-nA", "/invite/[token]"),
        ("/pay/4111111111111111", "/pay/[card]"),
        ("/pay/4111-1111-1111-1111/x", "/pay/[card]/x"),
        ("/pay/378282246310005", "/pay/[card]"),
        ("5555 5555 5555 4444", "[card]"),
    ],
)
def test_what_is_personal_becomes_a_mark(text: str, kept: str) -> None:
    assert scrubbed(text) == kept


def test_it_works() -> None:
    assert scrubbed(f"/jo@mail.example/{HEX}/4111111111111111") == "/[email]/[token]/[card]"


@pytest.mark.parametrize(
    "text",
    [
        "/",
        "/blog/2024-10-some-long-title-with-many-words-and-more",
        "/wiki/List_of_countries_by_population_United_Nations",
        "/docs/ConfigurationPropertiesFactoryBeanBuilderSupport",
        "/COVID19-Vaccine-Q4-2021-H1N1-update-and-more",
        "/item/123e4567-e89b-12d3-a456-426614174000",
        "/item/507f1f77bcf86cd799439011",
        "/item/01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "/p/my-post-title-3f9a8b7c2d1e",
        "/orders/1234567890123456",
        "/orders/20241005120013",
        "/t/1735689600000",
        "/@user.name/likes",
        "/unpkg/react@18.2.0/umd",
        "/a%40b",
        "/%F0%9F%98%80/%E4%BD%A0%E5%A5%BD",
        "eyJ",
    ],
)
def test_titles_and_ids_stay(text: str) -> None:
    assert scrubbed(text) == text


def test_every_uuid_stays() -> None:
    assert all(scrubbed(f"/x/{one}") == f"/x/{one}" for one in (str(uuid.uuid4()) for _ in range(200)))


@pytest.mark.parametrize(
    ("draw", "least"),
    [
        (lambda: secrets.token_hex(16), 0.99),
        (lambda: secrets.token_hex(32), 0.99),
        (lambda: secrets.token_urlsafe(32), 0.97),
        (lambda: secrets.token_urlsafe(16), 0.85),
        (lambda: base64.b32encode(secrets.token_bytes(20)).decode(), 0.9),
    ],
)
def test_tokens_are_found_by_their_randomness(draw, least: float) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    found = sum("[token]" in scrubbed(f"/reset/{draw()}") for _ in range(500))
    assert found / 500 >= least


def test_a_number_whose_check_digit_is_wrong_is_no_card() -> None:
    assert scrubbed("/pay/4111111111111112") == "/pay/4111111111111112"


@pytest.mark.parametrize("text", ["/x/94111111111111111", "/x/a4111111111111111", "/x/4111111111111111e2"])
def test_a_card_within_something_longer_is_none(text: str) -> None:
    assert scrubbed(text) == text


@given(st.text(max_size=60))
def test_scrubbing_twice_is_scrubbing_once(text: str) -> None:
    assert scrubbed(scrubbed(text)) == scrubbed(text)


LOCAL = st.text("abcXYZ019._+-", min_size=1, max_size=20)
AROUND = st.sampled_from(["/", "?q=", "&", "#", " "])


@given(LOCAL, st.from_regex(r"[a-z]{1,9}\.[a-z]{2,6}", fullmatch=True), AROUND, AROUND, st.sampled_from(["@", "%40"]))
def test_no_address_of_a_person_is_left(local: str, domain: str, before: str, after: str, sign: str) -> None:
    assert scrubbed(f"/a{before}{local}{sign}{domain}{after}b") == f"/a{before}[email]{after}b"


@given(st.text("-_/ abc", max_size=20), st.binary(min_size=20, max_size=40))
def test_no_token_of_hexadecimal_digits_is_left(before: str, secret: bytes) -> None:
    assume(not secret.hex().isdigit() and not secret.hex().isalpha())
    assert secret.hex() not in scrubbed(f"/{before}/{secret.hex()}/x")


HOSTILE = ["a@", "a", "a1B", "%40", "eyJ", "eyJaaaaa.", "4111", "4111-", "a@b.", "-", "a-", "x.y@", "@.", "b.", "5555 "]


@pytest.mark.parametrize("part", HOSTILE)
def test_the_time_is_linear_in_the_length(part: str) -> None:
    """Sixteen times the text takes about sixteen times as long; with squares it would be 256 times."""

    def seconds(length: int) -> float:
        text = (part * length)[:length]
        times = []
        for _ in range(5):
            started = time.process_time()
            scrubbed(text)
            times.append(time.process_time() - started)
        return min(times)

    assert seconds(64 * 1024) < 64 * max(seconds(4 * 1024), 1e-4)


def test_long_texts_are_not_remembered() -> None:
    _remembered.cache_clear()
    scrubbed("/" + HEX)
    scrubbed("/" + HEX * (SHORT // 8))
    assert _remembered.cache_info().currsize == 1
