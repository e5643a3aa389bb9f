from django.urls import path

from reports.views import login

urlpatterns = [
    path("login", login.log_in, name="login"),
    path("logout", login.log_out, name="logout"),
]
