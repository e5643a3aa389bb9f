"""What people type: log-in, a new site, what it leaves out. Messages name the value, the rule and the way out."""

import copy
import re
import zoneinfo
from typing import Any

from django import forms
from django.http import QueryDict

from ingest import rules
from ingest.models import Shield, Site
from ingest.models.sites import LEAST_DAYS, MOST_DAYS, MOST_PROPERTIES, PROPERTY_LENGTH

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


# --- What a site leaves out -------------------------------------------------------------------------------

MOST_HOSTS, MOST_PARAMETERS = 100, 50
TOO_LONG = "This has %(show_value)d characters: at most %(limit_value)d fit."
PARAMETER = re.compile(r"[\w.~\[\]-]{1,64}")


class RuleForm(forms.Form):
    """A shield of SITE. When it is valid `rule` is the unsaved row, its value in its one form."""

    kind = forms.ChoiceField(
        choices=Shield.Kind.choices, error_messages={"invalid_choice": "%(value)s: is no kind of rule. Choose one."}
    )
    value = forms.CharField(
        max_length=rules.VALUE_MAX,
        error_messages={"required": "Write what is not to be counted.", "max_length": TOO_LONG},
    )
    note = forms.CharField(max_length=120, required=False, error_messages={"max_length": TOO_LONG})

    def __init__(self, site: Site, data: QueryDict) -> None:
        super().__init__(data)
        self.site = site

    def clean(self) -> dict[str, Any]:
        told = super().clean() or self.cleaned_data
        if self.errors:
            return told
        self.rule = Shield(site=self.site, **told)
        self.rule.clean()
        if self.site.shields.filter(kind=self.rule.kind, value=self.rule.value).exists():
            raise forms.ValidationError({"value": f"{self.rule.value}: is in the list already."})
        return told


class SwitchForm(forms.Form):
    """A yes or no of SITE's: the field of the model named FIELD."""

    state = forms.ChoiceField(choices=[("on", "On"), ("off", "Off")])

    def __init__(self, field: str, site: Site, data: QueryDict) -> None:
        super().__init__(data)
        self.site, self.field = site, field

    def save(self) -> None:
        setattr(self.site, self.field, self.cleaned_data["state"] == "on")
        self.site.save(update_fields=[self.field])


class WordsForm(forms.Form):
    """A list of SITE's, one word a line or with commas between; no word twice."""

    field = ""  # of the model
    most = 0
    between = r"[\s,]+"
    words = forms.CharField(max_length=30_000, required=False, error_messages={"max_length": TOO_LONG})

    def __init__(self, site: Site, data: QueryDict) -> None:
        super().__init__(data)
        self.site = site

    def clean_words(self) -> list[str]:
        split = (word.strip() for word in re.split(self.between, self.cleaned_data["words"]))
        told = dict.fromkeys(self.normal(word) for word in split if word)
        if len(told) > self.most:
            raise forms.ValidationError(f"{len(told)} are too many: at most {self.most} may be listed.")
        return list(told)

    def normal(self, word: str) -> str:
        """WORD in its one form. Raises ValidationError."""
        raise NotImplementedError

    def save(self) -> None:
        setattr(self.site, self.field, self.cleaned_data["words"])
        self.site.save(update_fields=[self.field])


class HostsForm(WordsForm):
    field, most = "allowed_hosts", MOST_HOSTS

    def normal(self, word: str) -> str:
        return rules.normal(Shield.Kind.HOST, word)


class ParametersForm(WordsForm):
    field, most = "kept_parameters", MOST_PARAMETERS

    def normal(self, word: str) -> str:
        if not PARAMETER.fullmatch(word):
            raise forms.ValidationError(
                f"{word[:40]}: is no name of a parameter. Of ?product=7 write product, 64 characters at most."
            )
        return word.lower()


# --- How long a site keeps what ---------------------------------------------------------------------------


class PropertiesForm(WordsForm):
    """Their names are the senders': with blanks and commas if need be."""

    field, most, between = "property_dimensions", MOST_PROPERTIES, r"[\r\n]+"

    def normal(self, word: str) -> str:
        if len(word) > PROPERTY_LENGTH:
            raise forms.ValidationError(f"{word[:40]}…: has {len(word)} characters, {PROPERTY_LENGTH} are the most.")
        return word


def _days(required: str = "") -> forms.IntegerField:
    """A number of days; one that need not be there has no end."""
    limits = f"%(show_value)s: must be a number of days from {LEAST_DAYS} to {MOST_DAYS:,}."
    said = {"required": required, "invalid": "Write a whole number of days.", "min_value": limits, "max_value": limits}
    return forms.IntegerField(
        min_value=LEAST_DAYS, max_value=MOST_DAYS, required=bool(required), error_messages=said, localize=False
    )


class KeepingForm(forms.ModelForm):
    """When it is valid, `kept` is the site as it would be; SITE itself stays as it was."""

    events_days = _days(required="Write for how many days events are kept.")
    sessions_days = _days(required="Write for how many days sessions are kept.")
    aggregates_days = _days()

    class Meta:
        model = Site
        fields = ["events_days", "sessions_days", "aggregates_days"]

    def __init__(self, site: Site, data: QueryDict) -> None:
        super().__init__(data, instance=copy.copy(site))

    @property
    def kept(self) -> Site:
        return self.instance

    def save(self, commit: bool = True) -> Site:
        """What was not in the form may have been changed meanwhile, and stays."""
        self.instance.save(update_fields=self.Meta.fields)
        return self.instance
