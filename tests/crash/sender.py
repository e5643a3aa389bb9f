"""One sender, as a process: posts batches by the contract's rules and keeps an account of each answer.

`python -m tests.crash.sender PLAN` where PLAN is the JSON of a `Plan`. Two lines of JSON a request go to the
account, each on the disk before the sender goes on: the ids it is about to send, then what it was told of them.
Only the standard library: four of these start while a test waits.
"""

import http.client
import json
import os
import random
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TextIO

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
NAMES = ("pageview", "signup", "engagement")
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
LARGEST = 50
RESENT = MALFORMED = CRAWLED = 0.02
AGAIN = {0, 408, 425, 429}  # and every 5xx; 0: no answer
GIVE_UP_SECONDS = 1_800

# Whose clock is how far off, and whether it says so.
CLOCKS = (
    (timedelta(0), True),
    (timedelta(0), False),
    (timedelta(seconds=30), True),
    (timedelta(hours=3), True),
    (timedelta(days=-730), True),
    (timedelta(days=3), True),
)


@dataclass(frozen=True)
class Plan:
    """`rate` is in events a second, `copies` how often each batch is sent, `word` a text found nowhere else."""

    port: int
    key: str
    account: str
    events: int
    seed: int
    rate: float
    word: str
    copies: int = 1
    longest_pause: float = 1.0

    @property
    def argument(self) -> str:
        return json.dumps(asdict(self))


class Sender:
    def __init__(self, plan: Plan, account: TextIO) -> None:
        self.plan, self.account = plan, account
        self.random = random.Random(plan.seed)
        self.connection = http.client.HTTPConnection("127.0.0.1", plan.port, timeout=10)

    def run(self) -> None:
        started, sent = time.monotonic(), 0
        for events in self._batches():
            ahead = sent / self.plan.rate - (time.monotonic() - started)
            time.sleep(max(0.0, ahead))
            is_repeated = self.random.random() < RESENT
            agent = CRAWLER if self.random.random() < CRAWLED else BROWSER
            for _ in range(self.plan.copies + is_repeated):
                self._until_answered(events, agent)
            sent += len(events)

    def _batches(self) -> Iterator[list[dict[str, Any]]]:
        left = self.plan.events
        while left:
            size = min(left, self.random.randint(1, LARGEST))
            skew, is_told = self.random.choice(CLOCKS)
            yield [self._event(skew, is_told) for _ in range(size)]
            left -= size

    def _event(self, skew: timedelta, is_told: bool) -> dict[str, Any]:
        number, word = self.random.randrange(40), self.plan.word
        event: dict[str, Any] = {
            "id": str(uuid.UUID(int=self.random.getrandbits(128), version=4)),
            "name": ""
            if self.random.random() < MALFORMED
            else self.random.choice(["pageview", "signup", "engagement"]),
            "url": f"https://shop.example.com/p/{number}",
            "title": f"title-{word}",
        }
        if number % 2:
            event["visitor_id"] = f"visitor-{word}-{number}"
        if number % 4 == 1:
            event["session_id"] = f"session-{word}-{number}"
        if is_told:
            event["timestamp"] = _clock(skew - timedelta(seconds=number))
            event["skew"] = skew.total_seconds()  # for `_post`; the product ignores what it does not know
        return event

    def _until_answered(self, events: list[dict[str, Any]], agent: str) -> None:
        end = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < end:
            self._note({"sends": [event["id"] for event in events]})
            status, answer, pause = self._post(events, agent)
            self._note({"status": status, **_heard(status, answer, events)})
            if status not in AGAIN and status < 500:
                return
            time.sleep(min(pause, self.plan.longest_pause))
        raise SystemExit(f"No answer within {GIVE_UP_SECONDS} s.")

    def _post(self, events: list[dict[str, Any]], agent: str) -> tuple[int, Any, float]:
        """Status, the answer's JSON, and how long to wait before the next try."""
        document = {"site": self.plan.key, "events": events}
        if "skew" in events[0]:
            document["sent_at"] = _clock(timedelta(seconds=events[0]["skew"]))
        address = f"203.0.113.{self.random.randrange(256)}"
        headers = {"Content-Type": "application/json", "User-Agent": agent, "X-Forwarded-For": address}
        try:
            self.connection.request("POST", "/api/v1/events", json.dumps(document), headers)
            answer = self.connection.getresponse()
            content = answer.read()
            pause = float(answer.headers.get("Retry-After") or 0.1)
            return answer.status, json.loads(content), pause
        except (OSError, http.client.HTTPException, ValueError):
            self.connection.close()
            return 0, None, 0.1

    def _note(self, line: dict[str, Any]) -> None:
        self.account.write(json.dumps(line) + "\n")
        self.account.flush()
        os.fsync(self.account.fileno())


def _heard(status: int, answer: Any, events: list[dict[str, Any]]) -> dict[str, Any]:
    """By name of what was said: the ids it was said of."""
    if status != 202:
        return {"error": (answer or {}).get("error", "")}
    rejected = [events[one["index"]]["id"] for one in answer["rejected"]]
    dropped = [events[one["index"]]["id"] for one in answer["dropped"]]
    return {"accepted": answer["accepted"], "rejected": rejected, "dropped": dropped}


def _clock(skew: timedelta) -> str:
    return (datetime.now(UTC) + skew).isoformat(timespec="milliseconds")


def main() -> None:
    plan = Plan(**json.loads(sys.argv[1]))
    with open(plan.account, "a") as account:
        Sender(plan, account).run()


if __name__ == "__main__":
    main()
