"""A tracked site and the keys of its servers. Small reference tables, edited in the admin."""

import hashlib
import secrets
import zoneinfo
from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.timezone import now

ALPHABET = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

MOST_PROPERTIES, PROPERTY_LENGTH = 20, 64
LEAST_DAYS, MOST_DAYS = 2, 36_500  # what is kept for a day only could be gone before it is counted


def new_site_key() -> str:
    """A public key: `ff_` and 18 characters of 58, 105 random bits, nothing that reads like another."""
    return "ff_" + "".join(secrets.choice(ALPHABET) for _ in range(18))


def check_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(f"{name}: is not a time zone. Write one like Europe/Berlin or UTC.")


def check_domain(name: str) -> None:
    if not name or any(sign in name for sign in " /:@"):
        raise ValidationError(f"{name}: is not a host. Write shop.example.com, without https:// or a path.")


class Site(models.Model):
    class Identity(models.TextChoices):
        RETURNING = "returning", "Returning visitors: an id in the browser's storage"
        ANONYMOUS = "anonymous", "No storage: an id that changes every day"

    key = models.CharField(max_length=40, unique=True, default=new_site_key, editable=False)
    name = models.CharField(max_length=120)
    domain = models.CharField(max_length=253, validators=[check_domain])
    timezone = models.CharField(max_length=64, default="UTC", validators=[check_zone])
    identity = models.CharField(max_length=12, choices=Identity, default=Identity.RETURNING)
    is_active = models.BooleanField(
        default=True, help_text="When off, the site's key is unknown to the ingestion endpoint."
    )
    allowed_hosts = ArrayField(
        models.CharField(max_length=253),
        default=list,
        blank=True,
        help_text="Hosts whose pages are counted, subdomains with *. in front. Empty: every host.",
    )
    is_paused = models.BooleanField(
        default=False, db_default=False, help_text="When on, events are answered and not counted."
    )
    honours_dnt = models.BooleanField(
        default=False,
        db_default=False,
        help_text="When on, browsers that send Do Not Track or Global Privacy Control are not counted.",
    )
    kept_parameters = ArrayField(
        models.CharField(max_length=64),
        default=list,
        db_default=[],
        blank=True,
        help_text="Query parameters of pages that are kept beside the campaign ones; all others are cut off.",
    )
    property_dimensions = ArrayField(
        models.CharField(max_length=PROPERTY_LENGTH),
        default=list,
        db_default=[],
        blank=True,
        size=MOST_PROPERTIES,
        help_text=f"Properties of events that have a breakdown of their own, at most {MOST_PROPERTIES}.",
    )
    events_days = models.PositiveIntegerField(
        "days of events",
        default=90,
        db_default=90,
        validators=[MinValueValidator(LEAST_DAYS), MaxValueValidator(MOST_DAYS)],
        help_text="How long single events are kept.",
    )
    sessions_days = models.PositiveIntegerField(
        "days of sessions",
        default=365,
        db_default=365,
        validators=[MinValueValidator(LEAST_DAYS), MaxValueValidator(MOST_DAYS)],
        help_text="How long sessions and visitors are kept; no shorter than events.",
    )
    aggregates_days = models.PositiveIntegerField(
        "days of aggregates",
        null=True,
        blank=True,
        validators=[MinValueValidator(LEAST_DAYS), MaxValueValidator(MOST_DAYS)],
        help_text="How long aggregates are kept; no shorter than sessions. Empty: for ever.",
    )
    session_minutes = models.PositiveSmallIntegerField(default=30)
    secret = models.BinaryField(max_length=32, default=secrets.token_bytes, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.events_days > self.sessions_days:
            raise ValidationError(
                {"sessions_days": f"{self.sessions_days}: must be {self.events_days} or more, the days of events."}
            )
        if self.aggregates_days is not None and self.aggregates_days < self.sessions_days:
            raise ValidationError(
                {
                    "aggregates_days": f"{self.aggregates_days}: must be {self.sessions_days} or more, the days of "
                    "sessions, or empty for ever."
                }
            )

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.timezone)


class ApiKey(models.Model):
    """A key of a server or a reader. Only its SHA-256 is kept; the value is shown once, when it is made."""

    class Scope(models.TextChoices):
        READ = "read", "Read figures"
        WRITE = "write", "Send events for others"
        PEOPLE = "people", "Hand out and erase one person's data"

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=120)
    scope = models.CharField(max_length=8, choices=Scope, default=Scope.READ)
    prefix = models.CharField(max_length=12, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @staticmethod
    def digest_of(value: str) -> str:
        return hashlib.sha256(value.encode()).hexdigest()

    @classmethod
    def issue(cls, site: Site, name: str, scope: str) -> tuple["ApiKey", str]:
        """The kept row and the value, which is not kept and cannot be shown again."""
        value = f"ffk_{scope}_{secrets.token_urlsafe(32)}"
        row = cls.objects.create(site=site, name=name, scope=scope, prefix=value[:12], digest=cls.digest_of(value))
        return row, value

    def is_valid(self, at: datetime) -> bool:
        return not self.revoked_at and (self.expires_at is None or self.expires_at > at)
