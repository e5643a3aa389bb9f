"""Sites, keys, quarantine and the read-only pages, as staff use them."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from django.contrib.auth.models import Permission
from django.core.paginator import Paginator
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now
from pytest_django import DjangoCaptureOnCommitCallbacks

from ingest import admin, admin_lists, inspection, partitions, sites, writer
from ingest.event import Batch, Event
from ingest.models import ApiKey, BotCount, IngestCount, Quarantine, Sample, ShieldHit, Site
from reports.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("staff@example.com"))
    return client


@pytest.fixture
def shop() -> Site:
    return Site.objects.create(name="Shop", domain="shop.example.com")


def page(staff: Client, name: str, **query: str) -> str:
    return staff.get(reverse(f"admin:{name}"), query).content.decode()


def table(staff: Client, name: str, **query: str) -> list[list[str]]:
    """The rows of the page's last table."""
    tables = staff.get(reverse(f"admin:{name}"), query).context["tables"]
    return [list(row) for row in tables[-1].rows]


# --- Sites ------------------------------------------------------------------------------------------------


OF_SITE = ("name", "domain", "timezone", "identity", "session_minutes", "events_days", "sessions_days")


def site_form(shop: Site, **changed: str) -> dict[str, str]:
    values = {name: str(getattr(shop, name)) for name in OF_SITE}
    inline = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    return {**values, "allowed_hosts": "", "is_active": "on", **inline, **changed}


def test_it_works(staff: Client, shop: Site) -> None:
    listed = page(staff, "ingest_site_changelist")
    assert shop.key in listed
    assert "shop.example.com" in listed


@pytest.mark.parametrize("words", ["shop.exam", "Shop"])
def test_a_site_is_found_by_its_name_or_domain(words: str, staff: Client, shop: Site) -> None:
    Site.objects.create(name="Blog", domain="blog.example.com")
    found = page(staff, "ingest_site_changelist", q=words)
    assert shop.key in found
    assert "blog.example.com" not in found


def test_a_site_is_found_by_its_key(staff: Client, shop: Site) -> None:
    assert "shop.example.com" in page(staff, "ingest_site_changelist", q=shop.key)


def test_the_key_of_a_site_is_shown_and_cannot_be_changed(staff: Client, shop: Site) -> None:
    address = reverse("admin:ingest_site_change", args=[shop.pk])
    assert shop.key in staff.get(address).content.decode()
    staff.post(address, site_form(shop, key="ff_another", name="Shop two"))
    after = Site.objects.get(pk=shop.pk)
    assert (after.key, after.name) == (shop.key, "Shop two")


def test_the_secret_of_a_site_is_on_no_page(staff: Client, shop: Site) -> None:
    shown = staff.get(reverse("admin:ingest_site_change", args=[shop.pk])).content.decode()
    assert "secret" not in shown
    assert bytes(shop.secret).hex() not in shown


def test_a_switched_off_site_is_unknown_at_once_in_this_process(
    staff: Client, shop: Site, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    assert sites.by_key(shop.key) is not None
    form = site_form(shop)
    del form["is_active"]
    with django_capture_on_commit_callbacks(execute=True):
        staff.post(reverse("admin:ingest_site_change", args=[shop.pk]), form)
    assert sites.by_key(shop.key) is None


def test_a_zone_that_does_not_exist_is_refused(staff: Client, shop: Site) -> None:
    answer = staff.post(reverse("admin:ingest_site_change", args=[shop.pk]), site_form(shop, timezone="Mars/Base"))
    assert "is not a time zone" in answer.content.decode()


def test_a_site_is_made_with_a_key_of_its_own(staff: Client, shop: Site) -> None:
    staff.post(reverse("admin:ingest_site_add"), site_form(shop, name="Blog", domain="blog.example.com"))
    made = Site.objects.get(name="Blog")
    assert made.key.startswith("ff_")
    assert made.key != shop.key


def test_nobody_deletes_a_site_here(staff: Client, shop: Site) -> None:
    assert staff.post(reverse("admin:ingest_site_delete", args=[shop.pk]), {"post": "yes"}).status_code == 403
    assert Site.objects.filter(pk=shop.pk).exists()


@pytest.mark.parametrize("name", ["events", "sessions", "visitors", "counts"])
def test_a_site_links_to_what_is_stored_of_it(name: str, staff: Client, shop: Site) -> None:
    shown = staff.get(reverse("admin:ingest_site_change", args=[shop.pk])).content.decode()
    assert f'href="{reverse(f"admin:{name}")}?site={shop.key}"' in shown


def test_a_long_list_is_counted_no_further_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_lists, "MOST_COUNTED", 2)
    for number in range(4):
        Site.objects.create(name=f"Shop {number}", domain="shop.example.com")
    assert admin_lists.BoundedPaginator(Site.objects.all(), 10).count == 2
    assert Paginator(Site.objects.all(), 10).count == 4


# --- API keys ---------------------------------------------------------------------------------------------


def issue(staff: Client, shop: Site, **more: str) -> str:
    form = {"site": str(shop.pk), "name": "Till", "scope": "write", "expires_at_0": "", "expires_at_1": "", **more}
    return staff.post(reverse("admin:ingest_apikey_add"), form).content.decode()


def value_in(shown: str) -> str:
    return shown.partition('value="ffk_')[2].partition('"')[0]


def test_a_new_key_is_shown_once_and_only_its_digest_is_kept(staff: Client, shop: Site) -> None:
    value = f"ffk_{value_in(issue(staff, shop))}"
    key = ApiKey.objects.get()
    assert (key.digest, key.name, key.scope) == (ApiKey.digest_of(value), "Till", "write")
    assert value not in json.dumps(list(ApiKey.objects.values()), default=str)
    for address in (reverse("admin:ingest_apikey_changelist"), reverse("admin:ingest_apikey_change", args=[key.pk])):
        assert value not in staff.get(address).content.decode()


def test_a_new_key_works_at_the_door(staff: Client, shop: Site) -> None:
    assert sites.of_server_key(f"ffk_{value_in(issue(staff, shop))}") == shop.pk


def test_the_value_of_a_key_travels_in_no_cookie_and_is_not_cached(staff: Client, shop: Site) -> None:
    form = {"site": str(shop.pk), "name": "Till", "scope": "write", "expires_at_0": "", "expires_at_1": ""}
    answer = staff.post(reverse("admin:ingest_apikey_add"), form)
    value = value_in(answer.content.decode())
    assert value
    assert value not in str(answer.cookies)
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_new_key_keeps_its_expiry(staff: Client, shop: Site) -> None:
    issue(staff, shop, expires_at_0="2030-01-02", expires_at_1="03:04:05")
    assert ApiKey.objects.get().expires_at == datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_the_history_names_the_key_and_not_its_value(staff: Client, shop: Site) -> None:
    value = value_in(issue(staff, shop))
    history = staff.get(reverse("admin:ingest_apikey_history", args=[ApiKey.objects.get().pk])).content.decode()
    assert "Added" in history
    assert value not in history


def test_a_key_cannot_be_changed_or_deleted(staff: Client, shop: Site) -> None:
    key, _ = ApiKey.issue(shop, "Till", "read")
    form = {"site": str(shop.pk), "name": "Other", "scope": "write"}
    assert staff.post(reverse("admin:ingest_apikey_change", args=[key.pk]), form).status_code == 403
    assert staff.post(reverse("admin:ingest_apikey_delete", args=[key.pk]), {"post": "yes"}).status_code == 403
    assert ApiKey.objects.get().name == "Till"


def test_a_revoked_key_is_refused(
    staff: Client, shop: Site, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    key, value = ApiKey.issue(shop, "Till", "write")
    assert sites.of_server_key(value) == shop.pk
    with django_capture_on_commit_callbacks(execute=True):
        staff.post(reverse("admin:ingest_apikey_changelist"), {"action": "revoke", "_selected_action": [key.pk]})
    assert sites.of_server_key(value) is None


def test_revoking_again_keeps_the_first_moment(staff: Client, shop: Site) -> None:
    key, _ = ApiKey.issue(shop, "Till", "read")
    before = now() - timedelta(days=3)
    ApiKey.objects.update(revoked_at=before)
    staff.post(reverse("admin:ingest_apikey_changelist"), {"action": "revoke", "_selected_action": [key.pk]})
    assert ApiKey.objects.get().revoked_at == before


def test_staff_without_the_right_cannot_revoke(client: Client, shop: Site) -> None:
    key, _ = ApiKey.issue(shop, "Till", "read")
    client.force_login(User.objects.create_user("trainee@example.com", is_staff=True))
    client.post(reverse("admin:ingest_apikey_changelist"), {"action": "revoke", "_selected_action": [key.pk]})
    assert ApiKey.objects.get().revoked_at is None


# --- Quarantine -------------------------------------------------------------------------------------------


def set_aside(entry: bytes) -> Quarantine:
    return Quarantine.objects.create(site_id=3, sqlstate="22P05", detail="no such character", entry=entry)


def test_an_entry_set_aside_is_shown_as_json(staff: Client) -> None:
    event = Event(id=uuid.uuid4(), name="pageview", ts=0, visitor_id=1, title="<b>bold</b>")
    row = set_aside(msgspec.msgpack.encode(Batch(site_id=3, received_at=0, events=[event])))
    shown = staff.get(reverse("admin:ingest_quarantine_change", args=[row.pk])).content.decode()
    assert "&quot;name&quot;: &quot;pageview&quot;" in shown
    assert "&lt;b&gt;bold&lt;/b&gt;" in shown
    assert "no such character" in shown


@pytest.mark.parametrize("entry", [b"", b"\xc1", b"\xa3a\xff\xfe", b"\x81\xa1"])
def test_an_entry_that_is_no_msgpack_is_said_to_be_unreadable(entry: bytes) -> None:
    assert admin.readable(entry).startswith(f"{len(entry)} bytes that cannot be read")


def test_a_character_that_no_page_can_show_is_written_out() -> None:
    assert admin.readable(msgspec.msgpack.encode({"title": "a\x00b"})) == '{\n  "title": "a\\u0000b"\n}'


def test_what_was_set_aside_is_read_only(staff: Client) -> None:
    row = set_aside(b"\x80")
    change = reverse("admin:ingest_quarantine_change", args=[row.pk])
    assert staff.post(change, {"detail": "other"}).status_code == 403
    assert staff.post(reverse("admin:ingest_quarantine_add"), {}).status_code == 403
    assert Quarantine.objects.get().detail == "no such character"


def test_the_list_of_what_was_set_aside_does_not_fetch_the_entries(staff: Client) -> None:
    set_aside(b"\x80")
    queryset = admin.QuarantineAdmin(Quarantine, admin.admin.site).get_queryset(staff.get("/admin/").wsgi_request)
    assert queryset.get().get_deferred_fields() == {"entry"}


def written_again(staff: Client, *rows: Quarantine) -> str:
    """What the page says after the action; "" when it is not offered."""
    form = {"action": "write_again", "_selected_action": [str(row.pk) for row in rows]}
    answer = staff.post(reverse("admin:ingest_quarantine_changelist"), form, follow=True)
    return " ".join(str(message) for message in answer.context["messages"])


def test_what_was_set_aside_is_written_again(staff: Client, shop: Site) -> None:
    store(shop)
    event = Event(id=uuid.uuid4(), name="pageview", ts=now().timestamp(), visitor_id=1)
    row = set_aside(msgspec.msgpack.encode(Batch(site_id=shop.pk, received_at=now().timestamp(), events=[event])))
    assert written_again(staff, row, set_aside(b"\xc1")) == ("2 entries: 1 written, 1 cannot be read by this version.")
    assert Quarantine.objects.count() == 1


def test_only_those_with_the_right_write_it_again(client: Client, shop: Site) -> None:
    row = set_aside(b"\x80")
    viewer = User.objects.create_user("viewer@example.com", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_quarantine"))
    client.force_login(viewer)
    assert "entr" not in written_again(client, row)


# --- The read-only pages ----------------------------------------------------------------------------------


def store(shop: Site, count: int = 1) -> None:
    moment = now()
    partitions.ensure(writer.connected(), partitions.ahead(moment, 0))
    events = [
        Event(
            id=uuid.uuid4(),
            name="pageview",
            ts=moment.timestamp() - step,
            visitor_id=1,
            path=f"/{step}",
            properties={"plan": "<pro>"},
        )
        for step in range(count)
    ]
    writer.write([Batch(site_id=shop.pk, received_at=moment.timestamp(), events=events)])


def test_events_are_shown_newest_first_and_escaped(staff: Client, shop: Site) -> None:
    store(shop, 2)
    assert [row[4] for row in table(staff, "events", site=shop.key)] == ["/0", "/1"]
    assert "&lt;pro&gt;" in page(staff, "events", site=shop.key)


def test_sessions_and_visitors_are_shown(staff: Client, shop: Site) -> None:
    store(shop, 2)
    (session,) = table(staff, "sessions", site=shop.key)
    (visitor,) = table(staff, "visitors", site=shop.key)
    assert session[8:10] == ["2", "2"]
    assert visitor[0] == "1"


def test_a_long_list_goes_on_where_the_page_ends(staff: Client, shop: Site) -> None:
    store(shop, inspection.PAGE_ROWS + 1)
    first = staff.get(reverse("admin:events"), {"site": shop.key})
    second = staff.get(reverse("admin:events") + first.context["next_url"])
    assert [row[4] for row in second.context["tables"][0].rows] == [f"/{inspection.PAGE_ROWS}"]
    assert 'rel="next"' in first.content.decode()
    assert 'rel="next"' not in second.content.decode()


@pytest.mark.parametrize("name", ["events", "sessions", "visitors", "samples", "bots", "shield_hits"])
def test_without_a_site_the_page_asks_for_one(name: str, staff: Client, shop: Site) -> None:
    answer = staff.get(reverse(f"admin:{name}"))
    assert answer.status_code == 200
    assert answer.context["tables"] == []
    assert shop.key in answer.content.decode()  # offered under the field


@pytest.mark.parametrize("name", ["events", "sessions", "visitors", "counts"])
@pytest.mark.parametrize("key", ["ff_nobody", "a\x00b", "<script>"])
def test_an_unknown_key_gets_a_sentence(name: str, key: str, staff: Client) -> None:
    answer = staff.get(reverse(f"admin:{name}"), {"site": key})
    assert answer.status_code == 404
    assert "no site has this key" in answer.content.decode()
    assert "<script>:" not in answer.content.decode()


@pytest.mark.parametrize("mark", ["nonsense", '["now-ish","x"]', '["2026-01-01"]'])
def test_a_place_that_is_none_is_not_found(mark: str, staff: Client, shop: Site) -> None:
    assert staff.get(reverse("admin:events"), {"site": shop.key, "after": mark}).status_code == 404


def test_counts_are_shown_by_site_with_totals(staff: Client, shop: Site) -> None:
    blog = Site.objects.create(name="Blog", domain="blog.example.com")
    hour = now().replace(minute=0, second=0, microsecond=0)
    for place, events in ((shop, 1200), (blog, 30)):
        IngestCount.objects.create(site_id=place.pk, hour=hour, outcome="dropped", reason="bot", events=events)
    together = staff.get(reverse("admin:counts")).context["tables"][0].rows
    assert together == [["dropped", "bot", "1,230"]]
    assert [row[1:] for row in table(staff, "counts", site=shop.key)] == [["Shop", "dropped", "bot", "1,200"]]


def test_samples_bots_and_rules_hits_are_shown_by_site(staff: Client, shop: Site) -> None:
    hour = now().replace(minute=0, second=0, microsecond=0)
    texts = {"detail": "No.", "name": "signup", "page": "shop.example.com/x", "user_agent": "", "event": "{}"}
    Sample.objects.create(site_id=shop.pk, received_at=hour, outcome="rejected", reason="bad_type", **texts)
    BotCount.objects.create(site_id=shop.pk, hour=hour, kind="ai", name="GPTBot", events=1200)
    ShieldHit.objects.create(site_id=shop.pk, shield_id=5, hour=hour, events=7)
    (sample,) = table(staff, "samples", site=shop.key)
    assert sample[1:6] == ["rejected", "bad_type", "No.", "signup", "shop.example.com/x"]
    assert [row[1:] for row in table(staff, "bots", site=shop.key)] == [["ai", "GPTBot", "1200"]]
    assert [row[1:] for row in table(staff, "shield_hits", site=shop.key)] == [["5", "7"]]


def test_partitions_are_shown_with_their_days(staff: Client) -> None:
    partitions.ensure(writer.connected(), [datetime(2020, 1, 1).date()])  # noqa: DTZ001
    assert table(staff, "partitions")[-1][0] == "2020-01-01"
    assert table(staff, "partitions")[-1][-1] == "yes"


def test_the_stream_without_a_writer_says_so(staff: Client) -> None:
    assert table(staff, "stream")[0][2] == "no writer"


def test_a_question_that_takes_too_long_gets_a_sentence(
    staff: Client, shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = inspection.EVENTS._replace(table="slow_events")
    with inspection.limited() as cursor:
        columns = ", ".join(f"NULL::text AS {name}" for name in slow.columns if name not in ("ts", "id"))
        cursor.execute(
            f"CREATE VIEW slow_events AS SELECT {shop.pk}::bigint AS site_id, now() AS ts, gen_random_uuid() AS id, "
            f"{columns} FROM pg_sleep(5)"
        )
    monkeypatch.setattr(inspection, "EVENTS", slow)
    monkeypatch.setattr(inspection, "SECONDS", "0.05")
    answer = staff.get(reverse("admin:events"), {"site": shop.key})
    assert answer.status_code == 503
    assert "Choose a site, or try again later" in answer.content.decode()
