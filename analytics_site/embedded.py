import os
from pathlib import Path
def data_dir(): return Path(os.environ.get("FOOTFALL_DATA") or Path(__file__).resolve().parent.parent/"var")
def database_url(): return os.environ.get("DATABASE_URL","")
def redis_url(): return os.environ.get("REDIS_URL","")
