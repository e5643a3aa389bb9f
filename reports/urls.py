from django.urls import path, register_converter

from reports.api import people as people_api
from reports.panels import BY_TAB
from reports.views import exclusions, keeping, lists, login, overview, people, setup, sites, uncounted


class TabConverter:
    """The name of a ranked list; anything else is no address of ours."""

    regex = "|".join(BY_TAB)

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(TabConverter, "tab")

urlpatterns = [
    path("", sites.home, name="home"),
    path("login", login.log_in, name="login"),
    path("logout", login.log_out, name="logout"),
    path("sites", sites.index, name="sites"),
    path("sites/new", sites.new, name="site_new"),
    path("sites/<str:key>", overview.page, name="overview"),
    path("sites/<str:key>/now", overview.now_json, name="now"),
    path("sites/<str:key>/parts/<slug:part>", overview.parts, name="parts"),
    path("sites/<str:key>/chart.csv", overview.chart_csv, name="chart_csv"),
    path("sites/<str:key>/setup", setup.page, name="setup"),
    path("sites/<str:key>/setup/status", setup.status, name="setup_status"),
    path("sites/<str:key>/not-counted", uncounted.page, name="uncounted"),
    path("sites/<str:key>/not-counted.csv", uncounted.reasons_csv, name="uncounted_csv"),
    path("sites/<str:key>/not-counted/chart.csv", uncounted.chart_csv, name="uncounted_chart_csv"),
    path("sites/<str:key>/exclusions", exclusions.page, name="exclusions"),
    path("sites/<str:key>/exclusions/test", exclusions.test, name="exclusions_test"),
    path("sites/<str:key>/exclusions/set/<slug:name>", exclusions.set_choice, name="exclusions_set"),
    path("sites/<str:key>/exclusions/rules", exclusions.add, name="rule_add"),
    path("sites/<str:key>/exclusions/rules/<int:rule>", exclusions.rule_page, name="rule"),
    path("sites/<str:key>/exclusions/rules/<int:rule>/switch", exclusions.switch, name="rule_switch"),
    path("sites/<str:key>/exclusions/rules/<int:rule>/apply", exclusions.apply, name="rule_apply"),
    path("sites/<str:key>/exclusions/rules/<int:rule>/delete", exclusions.delete, name="rule_delete"),
    path("sites/<str:key>/keeping", keeping.page, name="keeping"),
    path("sites/<str:key>/keeping/days", keeping.set_days, name="keeping_days"),
    path("sites/<str:key>/keeping/properties", keeping.set_properties, name="keeping_properties"),
    path("sites/<str:key>/keeping/again", keeping.count_again, name="keeping_again"),
    path("sites/<str:key>/people", people.page, name="people"),
    path("sites/<str:key>/people/find", people.look, name="people_find"),
    path("sites/<str:key>/people/export", people.export, name="people_export"),
    path("sites/<str:key>/people/erase", people.erase, name="people_erase"),
    path("api/v1/sites/<str:key>/people/export", people_api.export_person, name="people_export_api"),
    path("api/v1/sites/<str:key>/people/erase", people_api.erase_person, name="people_erase_api"),
    path("api/v1/sites/<str:key>/people/requests/<int:number>", people_api.request_state, name="people_request_api"),
    path("sites/<str:key>/<tab:tab>", lists.page, name="list"),
    path("sites/<str:key>/<tab:tab>.csv", lists.csv, name="list_csv"),
]
