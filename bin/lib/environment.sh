# Sourced by bin/up and bin/test, in the clone: `environment FILE…` sets $python to an interpreter with the
# packages of those requirements files. It is the active virtual environment's, or that of .venv in the clone.

newest_known="3.11 or newer (3.12 is best: a Redis comes with its packages)"

fail() {
    echo "$*" >&2
    exit 1
}

is_root() { [ "$(id -u)" = 0 ]; }

# A name on the PATH may be a launcher for a version that is not there: what counts is that it runs.
is_usable() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for candidate in python3.12 python3.11 python3 python3.13 python3.14; do
        if command -v "$candidate" >/dev/null && is_usable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "There is no usable Python: $(python3 --version 2>/dev/null || echo none) was found," \
        "and Footfall needs $newest_known. Install it and try again."
}

packages_of_the_system() {
    echo "Installing $* (Debian packages) …"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

make_environment() {
    local base version
    base=$(find_python)
    version=$("$base" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    [ -w . ] || fail "$PWD/.venv cannot be made: $(id -un) may not write to $PWD." \
        "Activate a virtual environment of your own, or work in a clone of your own."
    echo "Making .venv with Python $version …"
    "$base" -m venv --clear .venv >/dev/null 2>&1 && return
    # Debian ships Python without the part that makes environments.
    if is_root && command -v apt-get >/dev/null; then
        packages_of_the_system "python$version-venv" && "$base" -m venv --clear .venv && return
    fi
    rm -rf .venv
    fail "Python's venv module does not work. Install it (Debian, Ubuntu: apt-get install python3-venv)" \
        "and try again."
}

# The text of a requirements file and the interpreter, as one number.
fingerprint() {
    "$python" -c '
import hashlib, pathlib, sys
text = pathlib.Path(sys.argv[1]).read_bytes()
print(hashlib.sha256(sys.version.encode() + text).hexdigest())' "$1"
}

# `install ENVIRONMENT FILE`: once, and again when the file has changed.
install() {
    local stamp="$1/.footfall-$2" now
    now=$(fingerprint "$2")
    [ "$(cat "$stamp" 2>/dev/null)" = "$now" ] && return
    [ -w "$1" ] || fail "$1 needs the packages of $2, and $(id -un) may not write to it (it belongs to" \
        "$(stat -c %U "$1" 2>/dev/null || echo another user)). Remove it, or activate an environment of your own."
    echo "Installing the packages of $2 …"
    "$python" -m pip install -qq --disable-pip-version-check --no-input -r "$2" ||
        fail "pip could not install the packages of $2 (see above). Check the network and try again."
    echo "$now" >"$stamp"
}

environment() {
    local folder="${VIRTUAL_ENV:-$PWD/.venv}"
    python="$folder/bin/python"
    if [ -z "${VIRTUAL_ENV:-}" ] && ! "$python" -c "import pip" >/dev/null 2>&1; then
        [ ! -e .venv ] || [ -w .venv ] || fail "$PWD/.venv does not work for $(id -un). Remove it and try again."
        make_environment
    fi
    is_usable "$python" || fail "The active environment $folder has no usable Python:" \
        "Footfall needs $newest_known. Run deactivate and try again."
    for file in "$@"; do
        install "$folder" "$file"
    done
}
