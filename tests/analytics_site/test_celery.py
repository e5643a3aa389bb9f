"""Tasks that a page hands on reach the broker that the workers read from."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IN_A_THREAD = """
import os, threading, django
os.environ["DJANGO_SETTINGS_MODULE"] = "analytics_site.settings"
django.setup()
from ingest.tasks import apply_shield
threading.Thread(target=lambda: print(apply_shield.app.main, apply_shield.app.conf.broker_url)).start()
"""


def test_a_process_that_only_answers_requests_knows_the_broker_in_every_thread() -> None:
    env = {**os.environ, "REDIS_CACHE_URL": "redis://127.0.0.1:7/3"}
    done = subprocess.run([sys.executable, "-c", IN_A_THREAD], env=env, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["analytics_site", "redis://127.0.0.1:7/3"], done.stderr
