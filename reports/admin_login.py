"""The admin's log-in, under the same throttle as everybody's: it opens more, so it must not be the easier door."""

from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError

from ingest import arrivals
from reports import throttle


class StaffLoginForm(AdminAuthenticationForm):
    def clean(self) -> dict[str, Any]:
        email, address = self.cleaned_data.get("username", ""), self._address()
        # Without both the form compares no password: that is no try of anybody.
        if not email or not self.cleaned_data.get("password"):
            return super().clean()
        if not (tries := throttle.count(email, address)).is_allowed:
            minutes = -(-tries.seconds // 60)
            raise ValidationError(f"Too many tries {tries.whose}. Try again in {minutes} min.", code="paused")
        cleaned: dict[str, Any] = super().clean()
        if self.get_user() is not None:
            throttle.forget(email, address)
        return cleaned

    def _address(self) -> str:
        meta = self.request.META if self.request else {}
        return arrivals.address_of(meta.get("REMOTE_ADDR", ""), meta.get("HTTP_X_FORWARDED_FOR", ""))
