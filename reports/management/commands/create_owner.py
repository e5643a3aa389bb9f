"""A person who can log in, from the terminal."""

import json
import os
import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

from reports.models import User


class Command(BaseCommand):
    help = "Makes a person who can log in and own sites. The password is read from FOOTFALL_OWNER_PASSWORD or made."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--staff", action="store_true", help="may also run the installation from the admin")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> str:
        email, password = (
            options["email"].lower(),
            os.environ.get("FOOTFALL_OWNER_PASSWORD") or secrets.token_urlsafe(12),
        )
        try:
            validate_email(email)
        except ValidationError as error:
            raise CommandError(f"{email}: is not an e-mail address.") from error
        if User.objects.filter(email=email).exists():
            raise CommandError(f"{email}: has an account already. A new password: manage.py changepassword {email}")
        make = User.objects.create_superuser if options["staff"] else User.objects.create_user
        make(email, password)
        if options["json"]:
            return json.dumps({"email": email, "password": password})
        return f"{email} can log in with the password {password}"
