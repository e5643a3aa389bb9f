"""All settings, top to bottom. Every environment variable is described in docs/settings.md."""

from pathlib import Path

from csp.constants import NONE, SELF

from analytics_site import database, embedded, env, secret

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = embedded.data_dir()

# --- Who may reach it -------------------------------------------------------------------------------------

DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.text("SECRET_KEY") or secret.kept_key(DATA_DIR)
BASE_URL = env.text("BASE_URL", "http://127.0.0.1:8000").rstrip("/")
HTTPS = BASE_URL.startswith("https://")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]", secret.host_of(BASE_URL)])
CSRF_TRUSTED_ORIGINS = [BASE_URL] if HTTPS else []
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_AGE = 14 * 86_400
SESSION_COOKIE_NAME = "footfall_session"
HEALTH_TOKEN = env.text("HEALTH_TOKEN")  # lets others than this machine read /readyz
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin" if HTTPS else None
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# --- What it is made of -----------------------------------------------------------------------------------

INSTALLED_APPS = [
    "analytics_site.apps.AnalyticsSiteConfig",
    "reports",
    "ingest",
    "rest_framework",
    "django_celery_beat",
    "csp",
    "analytics_site.apps.StaffAdminConfig",  # django.contrib.admin
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "analytics_site.urls"
WSGI_APPLICATION = "analytics_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "/static/"
STATIC_ROOT = env.text("STATIC_ROOT") or None  # where `collectstatic` puts copies for a proxy; not needed to run
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True

# --- Where it keeps things --------------------------------------------------------------------------------

DATABASES = {"default": database.from_url(embedded.database_url())}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = embedded.redis_url()
REDIS_CACHE_URL = env.text("REDIS_CACHE_URL", REDIS_URL)

# --- People -----------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "reports.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "sites"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# --- Language and time ------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

# --- Ingestion --------------------------------------------------------------------------------------------

INGEST_MAX_BODY = 1 << 20
INGEST_MAX_UNPACKED = 5 << 20
INGEST_MAX_EVENTS = 500
INGEST_SHARDS = env.integer("INGEST_SHARDS", default=1, low=1, high=64)
INGEST_LINGER_MS = env.integer("INGEST_LINGER_MS", default=100, high=2_000)
INGEST_BATCH_EVENTS = env.integer("INGEST_BATCH_EVENTS", default=5_000, low=1, high=50_000)
INGEST_BACKLOG_BYTES = env.integer("INGEST_BACKLOG_BYTES", default=1 << 30, low=1 << 20, high=1 << 40)
INGEST_FSYNC = env.choice("INGEST_FSYNC", default="everysec", allowed={"always", "everysec"})
INGEST_TRUSTED_PROXIES = env.integer("INGEST_TRUSTED_PROXIES", default=0, high=10)
INGEST_COUNTRY_HEADER = env.text("INGEST_COUNTRY_HEADER")
INGEST_GEO_DATABASE = env.words("INGEST_GEO_DATABASE", default=[])
INGEST_PARTITIONS_AHEAD = 7
INGEST_ARCHIVE_DIR = env.text("INGEST_ARCHIVE_DIR")
INGEST_BODY_SECONDS = env.integer("INGEST_BODY_SECONDS", default=5, low=1, high=300)
# Events a second, 0 for no limit. A request of the most events must fit into nine tenths of a burst: see limits.py.
INGEST_SITE_RATE = env.integer("INGEST_SITE_RATE", default=5_000, high=1_000_000)
INGEST_SITE_BURST = env.integer("INGEST_SITE_BURST", default=50_000, low=600, high=100_000_000)
INGEST_ADDRESS_RATE = env.integer("INGEST_ADDRESS_RATE", default=500, high=1_000_000)
INGEST_ADDRESS_BURST = env.integer("INGEST_ADDRESS_BURST", default=5_000, low=600, high=100_000_000)
INGEST_LANE = env.flag("INGEST_LANE", default=True)
DATA_UPLOAD_MAX_MEMORY_SIZE = INGEST_MAX_UNPACKED

# --- Reports ----------------------------------------------------------------------------------------------

REPORTS_QUERY_SECONDS = env.integer("REPORTS_QUERY_SECONDS", default=10, low=1, high=600)

# --- Periodic work ----------------------------------------------------------------------------------------

CELERY_BROKER_URL = REDIS_CACHE_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TIMEZONE = "UTC"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"

# --- Mail: alerts for staff ---------------------------------------------------------------------------------

ALERT_EMAILS = env.words("ALERT_EMAILS", default=[])
MAIL_PORTS = {"starttls": 587, "ssl": 465, "none": 25}
EMAIL_TLS = env.choice("EMAIL_TLS", default="starttls", allowed=set(MAIL_PORTS))
EMAIL_HOST = env.text("EMAIL_HOST")
EMAIL_PORT = env.integer("EMAIL_PORT", default=MAIL_PORTS[EMAIL_TLS], low=1, high=65_535)
EMAIL_HOST_USER = env.text("EMAIL_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_PASSWORD")
EMAIL_USE_TLS, EMAIL_USE_SSL = EMAIL_TLS == "starttls", EMAIL_TLS == "ssl"
EMAIL_TIMEOUT = 10  # seconds: a worker waits for it
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("EMAIL_FROM", f"footfall@{secret.host_of(BASE_URL)}")

# --- API --------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
}

# --- Logs: one line per happening on standard error; no address of a sender, no body of an event ------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", "INFO").upper()},
    "loggers": {
        "django.server": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},  # anyone may send one: no traceback each
    },
}
