"""People and their memberships, for staff."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db.models import Model
from django.http import HttpRequest

from ingest.admin import SiteAdmin
from ingest.admin_lists import UncountedAdmin
from reports.models import Membership, User

RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")


class LowerCaseEmail(forms.ModelForm):
    """Log-in compares addresses in lower case, so they are kept so."""

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class UserAddForm(LowerCaseEmail, AdminUserCreationForm):
    class Meta:
        model = User
        fields = ("email", "name")


class UserEditForm(LowerCaseEmail, UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"  # noqa: DJ007  the fieldsets below choose


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 0
    raw_id_fields = ("site", "user")


@admin.register(User)
class UserAdmin(DjangoUserAdmin, UncountedAdmin):
    """Only a superuser gives rights or touches a superuser: else any staff member could become one."""

    form, add_form = UserEditForm, UserAddForm
    inlines = (MembershipInline,)
    list_display = ("email", "name", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "name")
    ordering = ("email",)
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("email", "name", "password", "is_active")}),
        ("Rights", {"fields": RIGHTS}),
        ("Times", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "name", "password1", "password2")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if _is_superuser(request) else (*self.readonly_fields, *RIGHTS)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return _may_touch(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return _may_touch(request, obj) and super().has_delete_permission(request, obj)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


def _may_touch(request: HttpRequest, obj: Model | None) -> bool:
    return _is_superuser(request) or not (isinstance(obj, User) and obj.is_superuser)


@admin.register(Membership)
class MembershipAdmin(UncountedAdmin):
    list_display = ("user", "site", "role")
    list_filter = ("role",)
    list_select_related = ("user", "site")
    search_fields = ("user__email", "site__name", "site__key")
    raw_id_fields = ("user", "site")


# The site is ingestion's and knows no people; its members are edited on its page all the same.
SiteAdmin.inlines = (MembershipInline,)
