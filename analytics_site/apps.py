from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate

from analytics_site import schedule


class AnalyticsSiteConfig(AppConfig):
    name = "analytics_site"
    verbose_name = "Footfall"

    def ready(self) -> None:
        post_migrate.connect(schedule.ensure, sender=self, dispatch_uid="schedule")


class StaffAdminConfig(AdminConfig):
    default_site = "analytics_site.admin.StaffSite"
