"""Where no view answers: JSON for programs, pages for people."""

import json
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import Client
from pytest_django import Settings

from analytics_site import errors


def told(answer: Any) -> tuple[int, str]:
    assert answer["Content-Type"] == "application/json"
    assert answer["Access-Control-Allow-Origin"] == "*"
    return answer.status_code, json.loads(answer.content)["error"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize("path", ["/api/", "/api/v1/event", "/api/v1/events/", "/api/v9/query", "/api/v1/events/%00"])
def test_an_unknown_address_of_the_api_is_not_found_in_json(db: None, method: str, path: str) -> None:
    assert told(Client().generic(method, path)) == (404, "not_found")


@pytest.mark.parametrize("path", ["/none", "/apiary", "/apis/x"])
def test_any_other_unknown_address_gets_a_page(db: None, path: str) -> None:
    answer = Client().get(path)
    assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert b"There is nothing at this address" in answer.content


def test_a_long_address_is_not_repeated_whole(db: None) -> None:
    assert len(Client().get("/api/" + "x" * 5000).content) < 300


@pytest.mark.parametrize("host", ["evil.example", "a b", "127.0.0.1:x", "shop.example.com@evil.example"])
def test_a_foreign_host_is_refused_in_json(host: str) -> None:
    assert told(Client(headers={"Host": host}).post("/api/v1/events")) == (400, "bad_host")


def test_a_foreign_host_gets_a_page_elsewhere() -> None:
    answer = Client(headers={"Host": "evil.example"}).get("/login")
    assert (answer.status_code, answer["Content-Type"]) == (400, "text/html; charset=utf-8")


def test_any_other_bad_request_of_the_api_is_told_in_json() -> None:
    request = HttpRequest()
    request.path = "/api/v1/query"
    assert told(errors.bad_request(request, ValueError("secret"))) == (400, "bad_request")


def test_a_fault_of_ours_is_told_without_its_words(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    monkeypatch.setattr("ingest.views.arrivals.of", lambda *_: 1 / 0)
    client = Client(raise_request_exception=False)
    answer = client.post("/api/v1/events", "{}", "application/json")
    assert told(answer) == (500, "internal")
    assert b"division" not in answer.content


def test_a_fault_of_ours_gets_a_page_elsewhere(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    monkeypatch.setattr("ingest.script.script", lambda: 1 / 0)
    answer = Client(raise_request_exception=False).get("/analytics.js")
    assert (answer.status_code, answer["Content-Type"]) == (500, "text/html; charset=utf-8")
