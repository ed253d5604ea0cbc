# SPDX-License-Identifier: MIT
# The Debian packages Purser needs, in one place. Sourced by ./run and ./test; run from the top folder.

PACKAGES_BUILD="gcc libc6-dev cmake ninja-build pkg-config
libzmq3-dev liblmdb-dev libcurl4-openssl-dev libmicrohttpd-dev libssl-dev libjansson-dev libyaml-dev
liblua5.4-dev libsqlite3-dev zlib1g-dev libcmocka-dev libmsgpack-dev"
PACKAGES_DEMO="python3 python3-aiosmtpd openssl tzdata"
PACKAGES_TEST="clang libclang-rt-14-dev python3 python3-aiosmtpd python3-icalendar python3-zmq python3-msgpack python3-croniter
openssl tzdata sqlite3"

# install_packages NAME...: quick when all are there; otherwise apt-get, through sudo when not root.
install_packages() {
    missing=""
    for package in "$@"; do
        state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
        [ "$state" = "install ok installed" ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    echo "installing:$missing"
    as_root=""
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "These Debian packages are missing, and there is no sudo to install them:$missing" >&2
            return 1
        fi
        as_root="sudo"
    fi
    # shellcheck disable=SC2086 # lists of words on purpose
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y \
        --no-install-recommends $missing >/dev/null 2>&1 && return 0
    $as_root apt-get -qq -o DPkg::Lock::Timeout=300 update
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y \
        --no-install-recommends $missing >/dev/null
}

# install_node: any node with its npm will do; Debian's when there is none.
install_node() {
    command -v node >/dev/null && command -v npm >/dev/null && return 0
    install_packages nodejs npm
}

# fetch_promtool FOLDER: promtool alone out of Debian's package, since installing that would start a server.
fetch_promtool() {
    command -v promtool >/dev/null && return 0
    if [ ! -x "$1/usr/bin/promtool" ]; then
        mkdir -p "$1"
        (cd "$1" && { apt-get -qq download prometheus || { install_packages prometheus && return 0; }; } &&
            dpkg-deb -x prometheus_*.deb . && rm -f prometheus_*.deb) || return 1
    fi
    PATH="$PATH:$PWD/$1/usr/bin"
    export PATH
}
