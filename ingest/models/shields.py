"""A site's own rules about what is not counted."""

from django.db import models
from django.utils.timezone import now

from ingest.models.sites import Site


class Shield(models.Model):
    """One rule: events of this kind with this value are dropped at the door."""

    class Kind(models.TextChoices):
        ADDRESS = "address", "Address"
        COUNTRY = "country", "Country"
        HOST = "host", "Host"
        PATH = "path", "Path"
        REFERRER = "referrer", "Referrer"

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="shields")
    kind = models.CharField(max_length=10, choices=Kind)
    value = models.CharField(max_length=300)
    note = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ["kind", "value"]
        constraints = [models.UniqueConstraint(fields=["site", "kind", "value"], name="shield_once")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.value}"
