"""The Celery application; tasks are found in each app's tasks.py. Loaded by every Django process: pages hand on tasks."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "analytics_site.settings")
app = Celery("analytics_site")
app.set_default()  # Celery knows it in this thread alone otherwise, and requests are answered in others
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
