"""What staff must hear of: a line of the log at ERROR, and a message to ALERT_EMAILS where there is a mail server."""

import logging

from django.conf import settings
from django.core.mail import EmailMessage

log = logging.getLogger(__name__)


def send(subject: str, text: str, level: int = logging.ERROR) -> bool:
    """False where a mail server ought to have taken it and did not, which is logged and never raised.

    TEXT holds no data of a visitor: mail is kept for ever, and not by us.
    """
    log.log(level, "%s: %s", subject, " ".join(text.split()))
    if not (settings.ALERT_EMAILS and settings.EMAIL_HOST):
        return True
    try:
        EmailMessage(_line(subject), text, settings.DEFAULT_FROM_EMAIL, settings.ALERT_EMAILS).send()
    except Exception as error:  # what is no address is a ValueError or an IndexError, by what it lacks
        log.error("No alert could be mailed by %s: %s", settings.EMAIL_HOST, error)
        return False
    return True


def _line(subject: str) -> str:
    """With a line break, Django takes a subject for an attempt to add headers."""
    return " ".join(f"Footfall: {subject}".split())
