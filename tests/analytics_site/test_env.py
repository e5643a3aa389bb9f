"""Readers of environment variables: a bad value is refused by its name."""

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from analytics_site import env

NAME = "FOOTFALL_EXAMPLE"


def refusal(read: Any, *arguments: Any) -> str:
    with pytest.raises(ImproperlyConfigured) as refused:
        read(NAME, *arguments)
    return str(refused.value)


def test_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "5")
    assert (env.text(NAME), env.integer(NAME, 1), env.words(NAME, [])) == ("5", 5, ["5"])


def test_without_a_value_the_default_counts() -> None:
    assert env.text(NAME, "a") == "a"
    assert env.flag(NAME, True) is True
    assert env.integer(NAME, 7, low=1) == 7
    assert env.words(NAME, ["a"]) == ["a"]
    assert env.choice(NAME, "a", {"a", "b"}) == "a"


def test_an_empty_value_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As compose files leave it: NAME=${NAME}."""
    monkeypatch.setenv(NAME, "")
    assert (env.flag(NAME, True), env.integer(NAME, 7), env.words(NAME, ["a"])) == (True, 7, ["a"])
    assert env.choice(NAME, "a", {"a", "b"}) == "a"


# --- Secrets from files -----------------------------------------------------------------------------------


def test_a_secret_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "secret"))
    assert env.text(NAME) == "s3cret"


def test_the_value_itself_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{NAME}_FILE", "/nowhere")
    monkeypatch.setenv(NAME, "here")
    assert env.text(NAME) == "here"


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path))
    assert refusal(env.text) == f"{NAME}_FILE={tmp_path}: cannot be read (Is a directory)."


def test_a_file_that_is_no_text_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff\xfe")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "secret"))
    assert refusal(env.text) == f"{NAME}_FILE={tmp_path / 'secret'}: cannot be read (not UTF-8)."


# --- Flags, numbers, lists, choices -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        ("1", True),
        ("true", True),
        ("YES", True),
        (" on ", True),
        ("0", False),
        ("False", False),
        ("no", False),
        ("off", False),
    ],
)
def test_a_flag_is_a_word(monkeypatch: pytest.MonkeyPatch, value: str, flag: bool) -> None:
    monkeypatch.setenv(NAME, value)
    assert env.flag(NAME, not flag) is flag


@pytest.mark.parametrize("value", ["2", "maybe", "truee", "-"])
def test_another_word_is_no_flag(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    assert refusal(env.flag, True) == f"{NAME}={value}: must be true or false. See docs/settings.md."


@pytest.mark.parametrize(("value", "number"), [("0", 0), (" 64 ", 64), ("007", 7), ("64", 64)])
def test_a_number_is_whole(monkeypatch: pytest.MonkeyPatch, value: str, number: int) -> None:
    monkeypatch.setenv(NAME, value)
    assert env.integer(NAME, 1, low=0, high=64) == number


@pytest.mark.parametrize("value", ["-1", "65", "1.5", "1e3", "x", "1_0", "٥", "0x10", "1" * 5000])
def test_a_number_outside_its_bounds_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    assert refusal(env.integer, 1, 0, 64).startswith(f"{NAME}={value}: must be a whole number from 0 to 64.")


def test_words_stand_between_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, " a.example.com, ,b.example.com,")
    assert env.words(NAME, ["c"]) == ["a.example.com", "b.example.com"]


def test_a_choice_is_one_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, " Always ")
    assert env.choice(NAME, "everysec", {"everysec", "always"}) == "always"
    monkeypatch.setenv(NAME, "never")
    assert refusal(env.choice, "everysec", {"everysec", "always"}) == f"{NAME}=never: must be one of always, everysec."
