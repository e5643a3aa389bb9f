"""The Celery application; tasks are found in each app's tasks.py. Every Django process loads it, to hand tasks on."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "analytics_site.settings")
app = Celery("analytics_site")
app.set_default()  # Celery knows it in this thread alone otherwise, and requests are answered in others
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
