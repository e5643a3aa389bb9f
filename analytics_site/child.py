"""Starts a program that ends with its parent: `python -I -S child.py [options] -- program argument…`

Options, in any order:
  --signal NAME   what the program gets when its parent is gone: TERM (the default), INT, KILL
  --user NAME     the system user it runs as; only root may ask for another one
  --folder PATH   its working folder
  --lock PATH     a file it holds locked until its last process has ended

Only the standard library, and little of that: the wrapper adds 20 ms to a start.
"""

import ctypes
import fcntl
import os
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
PARENT = "FOOTFALL_PARENT"
LOCK_SECONDS = 45  # longer than the 30 s a program has to stop
OPTIONS = {"--signal", "--user", "--folder", "--lock"}


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Ask the kernel for signal `number` when the parent ends. Nothing outside `manage.py up`, or off Linux.

    Must be called after every change of user, which clears the request, and from a process whose parent
    was started by `main`: that one has left its process id in the environment.
    """
    parent = os.environ.get(PARENT)
    if parent is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != int(parent):  # it ended before the request was made
        os._exit(1)


def hold(path: str, seconds: float = LOCK_SECONDS) -> None:
    """Lock `path` until the last process that inherits the descriptor has ended; wait for a former holder."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(descriptor, True)
    end = time.monotonic() + seconds
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                sys.exit(f"{path}: is held by processes that did not end within {seconds:.0f} s. End them first.")
            time.sleep(0.05)


def become(name: str) -> None:
    import pwd  # only needed as root

    account = pwd.getpwnam(name)
    if os.geteuid() == account.pw_uid:
        return
    os.initgroups(name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.environ.update(HOME="/", USER=name, LOGNAME=name)


def parse(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """The options by name, and the program with its arguments."""
    split = arguments.index("--")
    options = dict(zip(arguments[:split:2], arguments[1:split:2], strict=True))
    if unknown := options.keys() - OPTIONS:
        raise ValueError(f"{', '.join(sorted(unknown))}: no such option. Allowed: {', '.join(sorted(OPTIONS))}.")
    return options, arguments[split + 1 :]


def main(arguments: list[str]) -> None:
    options, program = parse(arguments)
    if "--folder" in options:
        os.chdir(options["--folder"])
    if "--lock" in options:
        hold(options["--lock"])  # before the user changes: the file is the starter's
    if "--user" in options:
        become(options["--user"])
    # A shell starts what it puts in the background with SIGINT ignored, and exec would hand that on.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    die_with_parent(signal.Signals[f"SIG{options.get('--signal', 'TERM')}"])
    os.environ[PARENT] = str(os.getpid())  # kept by exec: the parent of what this program starts
    os.execvp(program[0], program)  # noqa: S606 (no shell on purpose)


if __name__ == "__main__":
    main(sys.argv[1:])
