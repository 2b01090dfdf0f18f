#!/usr/bin/env bash
# Installs what this project's commands need and is missing; quick when all is there.
#
#   scripts/tools.sh [python] [registry] [charts] [run] [postgres] [clients]      all when none is named
#
#   python    uv and the Python environment of uv.lock (.venv)
#   registry  any real registry, the one that is there soonest: Debian's package, unpacked here (seconds,
#             no root), else distribution built by Go (a minute or more)
#   charts    ChartMuseum, built by Go (minutes); with `registry` it is what `make run` starts
#   run       distribution, ChartMuseum, crane and helm: what the tests start
#   postgres  Debian's PostgreSQL, which compiles the store's statements; as root only, else its tests are skipped
#   clients   every client of the acceptance matrix (tests/clients), and nginx, which tests put before a registry
#
# Programs are built by Go into .tools/bin, which git ignores, or come from Debian's packages (root or
# sudo). Without Go: Debian's docker-registry 2.8 and skopeo stand in, and there is no ChartMuseum.
# A line when something begins and ends, and every 15 s in between; the whole output is in .tools/logs.
# Ends with status 1 and one line per failure when something asked for could not be installed.
set -uo pipefail
cd "$(dirname "$0")/.."

UV=0.13.9
REGISTRY=v3.1.1
CRANE=v0.21.9
ORAS=v1.3.6
HELM=v3.20.2

PROGRESS_S=15

tools=$PWD/.tools
mkdir -p "$tools/bin" "$tools/versions" "$tools/logs"
PATH=$tools/bin:$PATH
failures=()
last_said=
ticker=

stop_ticker() {
    [[ -z $ticker ]] || kill "$ticker" 2>/dev/null
    ticker=
}
trap stop_ticker EXIT
# `go` ends with a status of its own when it is interrupted: bash would go on with the next program.
trap 'exit 130' INT TERM HUP

say() {
    printf 'tools: %s\n' "$*" >&2
    last_said=$*
}

fail() {
    failures+=("$1")
    say "FAILED: $1"
}

# progress_of LOG : how far a build of Go has come
progress_of() {
    local fetched compiled
    fetched=$(grep -c '^go: downloading ' "$1")
    compiled=$(grep -cv '^go: ' "$1")
    ((fetched + compiled == 0)) || printf ' (%d modules fetched, %d packages compiled)' "$fetched" "$compiled"
}

# report WHAT LOG : a line every PROGRESS_S seconds, until it is killed or this script is gone.
# `read` waits without a process of its own, which would hold on to the output when this one is killed.
report() {
    local pause=$tools/pause.$$.$RANDOM start=$SECONDS
    mkfifo "$pause" && exec 9<>"$pause" && rm -f "$pause"
    while ! read -rt "$PROGRESS_S" -u 9 && kill -0 $$ 2>/dev/null; do
        say "$1: $((SECONDS - start)) s$(progress_of "$2")"
    done
}

# try WHAT COMMAND... : runs it with its output in a log; says in one line that it failed
try() {
    local what=$1 log start=$SECONDS status
    log=$tools/logs/${what%% *}.log
    shift
    say "installing $what ..."
    : >"$log"
    report "$what" "$log" &
    ticker=$!
    "$@" >"$log" 2>&1
    status=$?
    stop_ticker
    if ((status)); then
        why="$what: $(grep -v '^[[:space:]]*$' "$log" | tail -n 1) (all of it: ${log#"$PWD"/})"
        return 1
    fi
    say "installed $what ($((SECONDS - start)) s)"
}

# attempt WHAT COMMAND... : try, and there is nothing else to try
attempt() {
    local why
    try "$@" || { fail "$why"; return 1; }
}

# Go fetches the version that a module asks for itself since 1.21.
has_go() { [[ $(go env GOVERSION 2>/dev/null) =~ ^go1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= 21)); }

without_go() {
    if command -v go >/dev/null; then echo "the Go here is older than 1.21"; else echo "no Go here"; fi
}

is_built() { [[ -x $tools/bin/$1 && $(cat "$tools/versions/$1" 2>/dev/null) == "$2" ]]; }

# build NAME VERSION PACKAGE : a released command
build() {
    is_built "$1" "$2" && return
    attempt "$1 $2" env GOBIN="$tools/bin" go install -v -ldflags='-s -w' "$3@$2" && echo "$2" >"$tools/versions/$1"
}

# build_module NAME PACKAGE : a command whose module proxy answers no `go install path@version`;
# scripts/go/NAME pins it, its dependencies and their hashes
build_module() {
    local version
    version=$(cksum <"scripts/go/$1/go.sum")
    is_built "$1" "$version" && return
    attempt "$1" go build -C "scripts/go/$1" -v -ldflags='-s -w' -o "$tools/bin/$1" "$2" &&
        echo "$version" >"$tools/versions/$1"
}

as_root() {
    if [[ $EUID == 0 ]]; then "$@"; else sudo -n "$@"; fi
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$@"
}

# Debian starts a service with its package; a registry or a dockerd of the system's own is not wanted here.
without_starting_services() {
    local policy=/usr/sbin/policy-rc.d status
    [[ -e $policy ]] && { "$@"; return; }
    printf '#!/bin/sh\nexit 101\n' | as_root install -m 755 /dev/stdin "$policy"
    "$@"
    status=$?
    as_root rm -f "$policy"
    return $status
}

# debian COMMAND:PACKAGE... : the packages of the commands that are missing
debian() {
    local pair missing=()
    for pair in "$@"; do
        PATH=$PATH:/usr/sbin command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    ((${#missing[@]})) || return 0
    if ! command -v apt-get >/dev/null; then
        fail "${missing[*]}: not installed, and there is no apt-get here to install them"
    elif ! as_root true 2>/dev/null; then
        fail "${missing[*]}: not installed; as root: apt-get install ${missing[*]}"
    else
        attempt "debian packages: ${missing[*]}" without_starting_services apt_install "${missing[@]}"
    fi
}

apt_here() {
    local folder=$tools/debian
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
    apt-get -q -o Dir::State::Lists="$folder/lists" -o Dir::Cache="$folder/cache" -o APT::Sandbox::User=root \
        -o Acquire::Languages=none "$@"
}

# The system's own lists may be missing or older than the archive.
unpack_package() (
    mkdir -p "$tools/debian/$1" && cd "$tools/debian/$1" && rm -f ./*.deb &&
        { apt_here download "$1" || { apt_here update && apt_here download "$1"; }; } &&
        dpkg-deb -x "$1"_*.deb . && rm -f ./*.deb
)

# unpack COMMAND:PACKAGE : the command of a Debian package that needs nothing else, without installing it
unpack() {
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        why="no apt-get here for ${1##*:} of Debian"
        return 1
    fi
    try "${1##*:} of Debian" unpack_package "${1##*:}" &&
        ln -sf "../debian/${1##*:}/usr/bin/${1%%:*}" "$tools/bin/${1%%:*}"
}

# The Python whose venv module works; on Debian that module is a package of its own.
python_with_venv() {
    local candidate
    for candidate in python3.14 python3.13 python3.12 python3.11 python3; do
        command -v "$candidate" >/dev/null && "$candidate" -c 'import ensurepip, venv' 2>/dev/null &&
            { echo "$candidate"; return; }
    done
    return 1
}

bootstrap_uv() {
    "$(python_with_venv)" -m venv "$tools/uv" && "$tools/uv/bin/pip" install -q "uv==$UV" &&
        ln -sf ../uv/bin/uv "$tools/bin/uv"
}

install_uv() {
    command -v uv >/dev/null || [[ -x $tools/bin/uv ]] && return
    python_with_venv >/dev/null || debian python3:python3-minimal ensurepip-of-python3:python3-venv
    python_with_venv >/dev/null || { fail "python: no python3 with a working venv module"; return 1; }
    attempt "uv $UV" bootstrap_uv
}

install_python() {
    install_uv || return
    local locked
    locked=$(cat uv.lock pyproject.toml | cksum)
    [[ -x .venv/bin/sidecar ]] && is_built_environment "$locked" && return
    attempt "environment of uv.lock" env PATH="$PATH:$tools/bin" uv sync --frozen --extra uvloop &&
        echo "$locked" >"$tools/versions/environment"
}

is_built_environment() { [[ $(cat "$tools/versions/environment" 2>/dev/null) == "$1" ]]; }

build_registry() { build registry "$REGISTRY" github.com/distribution/distribution/v3/cmd/registry; }

build_chartmuseum() { build_module chartmuseum helm.sh/chartmuseum/cmd/chartmuseum; }

install_registry() {
    local why=
    command -v registry docker-registry >/dev/null && return
    unpack docker-registry:docker-registry && return
    if has_go; then
        say "$why"
        say "so a registry is built first, which takes a minute or more"
        build_registry
    else
        fail "registry: $(without_go), and Debian's is not to be had: $why"
    fi
}

install_charts() {
    command -v chartmuseum >/dev/null && return
    if has_go; then build_chartmuseum; else fail "chartmuseum is built by Go: $(without_go)"; fi
}

install_run() {
    if has_go; then
        build_registry
        build_chartmuseum
        build crane "$CRANE" github.com/google/go-containerregistry/cmd/crane
        build helm "$HELM" helm.sh/helm/v3/cmd/helm
    else
        say "$(without_go): Debian's docker-registry 2.8 and skopeo stand in, there is no ChartMuseum (go.dev/dl)"
        debian docker-registry:docker-registry skopeo:skopeo
    fi
    debian curl:curl
}

install_postgres() {
    PATH=$PATH:$(printf '%s:' /usr/lib/postgresql/*/bin) command -v postgres >/dev/null && return
    if command -v apt-get >/dev/null && as_root true 2>/dev/null; then
        debian postgres:postgresql
    else
        say "no PostgreSQL here, and no root to install it: tests that need it are skipped"
    fi
}

install_clients() {
    install_run
    if has_go; then
        build oras "$ORAS" oras.land/oras/cmd/oras
        build_module helm-cm-push github.com/chartmuseum/helm-push/cmd/helm-cm-push
    fi
    debian docker-registry:docker-registry skopeo:skopeo buildah:buildah podman:podman \
        dockerd:docker.io containerd:containerd nginx:nginx
}

main() {
    local group
    (($#)) || set -- python run postgres clients
    for group in "$@"; do
        case $group in
            python | registry | charts | run | postgres | clients) "install_$group" ;;
            *) fail "$group: no such group (python, registry, charts, run, postgres, clients)" ;;
        esac
    done
    ((${#failures[@]})) || return 0
    [[ $last_said == "FAILED: ${failures[*]}" ]] && return 1
    printf 'tools: could not install:\n' >&2
    printf 'tools:   %s\n' "${failures[@]}" >&2
    return 1
}

main "$@"
