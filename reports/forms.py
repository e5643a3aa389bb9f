"""What people type: log-in and a new site. Messages name the value, the rule and the way out."""

import zoneinfo
from typing import Any

from django import forms

from ingest.models import Site

IDENTITY_COST = {
    Site.Identity.RETURNING: "Visitors are recognised for as long as they keep the id: new, returning and monthly "
    "visitors are exact. Many countries ask for consent before anything is stored.",
    Site.Identity.ANONYMOUS: "Nothing is stored and no banner is needed. The same person counts as a new visitor each "
    "day, so visitors over several days are too many and returning ones cannot be told.",
}


class LoginForm(forms.Form):
    email = forms.EmailField(
        error_messages={
            "required": "Write the e-mail address of your account.",
            "invalid": "An e-mail address has a name, an @ and a domain: owner@example.com.",
        }
    )
    password = forms.CharField(
        strip=False, error_messages={"required": "Write the password of your account."}, max_length=4096
    )


class SiteForm(forms.ModelForm):
    name = forms.CharField(max_length=120, error_messages={"required": "Give the site a name."})
    domain = forms.CharField(max_length=253, error_messages={"required": "Write the host: shop.example.com."})

    class Meta:
        model = Site
        fields = ["name", "domain", "timezone", "identity"]

    def clean_domain(self) -> str:
        """Lets a pasted address be a host: https://Shop.example.com/cart is shop.example.com."""
        told: str = self.cleaned_data["domain"].strip().lower()
        host = told.split("://", 1)[-1].split("/", 1)[0]
        if " " in host:
            raise forms.ValidationError(f"A host has no space. Write {host.replace(' ', '.')}.")
        return host.rstrip(".")

    def identity_choices(self) -> list[dict[str, Any]]:
        """One line each for the page: value, title, what it costs, whether it is chosen."""
        chosen = self["identity"].value() or Site.Identity.RETURNING
        return [
            {
                "value": choice.value,
                "title": choice.label,
                "cost": IDENTITY_COST[choice],
                "is_chosen": choice.value == chosen,
            }
            for choice in Site.Identity
        ]


AREAS = ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


def zones() -> list[str]:
    """Time zones a person would look for: UTC and Area/City; the rest of the database are other names of these."""
    named = (name for name in zoneinfo.available_timezones() if name.partition("/")[0] in AREAS)
    return ["UTC", *sorted(named)]
