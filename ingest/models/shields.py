"""A site's own rules about what is not counted."""

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.timezone import now

from ingest import rules
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
    # While the rule is applied to what is stored: the last sign of life of whoever does it.
    applying_at = models.DateTimeField(null=True, editable=False)
    applied_at = models.DateTimeField(null=True, editable=False)  # when that last ended
    applied_events = models.BigIntegerField(default=0, editable=False)  # taken away by it, in all runs

    class Meta:
        ordering = ["kind", "value"]
        constraints = [models.UniqueConstraint(fields=["site", "kind", "value"], name="shield_once")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.value}"

    def clean(self) -> None:
        """Brings the value into its one form. One query, when the rule is new."""
        super().clean()
        if self.kind in rules.NORMAL:
            try:
                self.value = rules.normal(self.kind, self.value)
            except ValidationError as error:
                raise ValidationError({"value": error}) from error
        if self.kind == self.Kind.PATH and self.site_id and self._path_characters() > rules.MOST_PATH_CHARACTERS:
            raise ValidationError(
                f"{self.site}: its paths have over {rules.MOST_PATH_CHARACTERS:,} characters together, the most there "
                "may be. Write several as one with *, or delete one first."
            )
        if self.pk is None and self.site_id and self.site.shields.count() >= rules.MOST:
            raise ValidationError(f"{self.site}: has {rules.MOST} rules, the most there may be. Delete one first.")

    def _path_characters(self) -> int:
        """Of all path rules of the site, this one included: what an event may cost grows with them."""
        others = self.site.shields.filter(kind=self.Kind.PATH).exclude(pk=self.pk).values_list("value", flat=True)
        return len(self.value) + sum(map(len, others))
