from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate

from analytics_site import celery, schedule


class AnalyticsSiteConfig(AppConfig):
    name = "analytics_site"
    verbose_name = "Footfall"

    celery_app = celery.app  # or tasks would go to a broker that Celery makes up

    def ready(self) -> None:
        # Not of this app: Django sends the signal for apps with models alone.
        post_migrate.connect(schedule.ensure, apps.get_app_config("django_celery_beat"), dispatch_uid="schedule")


class StaffAdminConfig(AdminConfig):
    default_site = "analytics_site.admin.StaffSite"
