#!/usr/bin/env bash
# Installs what this project's commands need and is missing; quick when all is there.
#
#   scripts/tools.sh [python] [run] [clients]      all three when none is named
#
#   python   uv and the Python environment of uv.lock (.venv)
#   run      a real registry, ChartMuseum, crane and helm: what `make run` and the tests start
#   clients  every client of the acceptance matrix (tests/clients)
#
# Programs are built by Go into .tools/bin, which git ignores, or come from Debian's packages (root or
# sudo). Without Go: Debian's docker-registry 2.8 and skopeo stand in, and there is no ChartMuseum.
# Ends with status 1 and one line per failure when something asked for could not be installed.
set -uo pipefail
cd "$(dirname "$0")/.."

UV=0.13.9
REGISTRY=v3.1.1
CRANE=v0.21.9
ORAS=v1.3.6
HELM=v3.20.2

tools=$PWD/.tools
mkdir -p "$tools/bin" "$tools/versions" "$tools/logs"
failures=()

say() { printf 'tools: %s\n' "$*" >&2; }

fail() {
    failures+=("$1")
    say "FAILED: $1"
}

# attempt WHAT COMMAND... : runs it with its output in a log, shows the log's end when it fails
attempt() {
    local what=$1 log start=$SECONDS
    log=$tools/logs/${what%% *}.log
    shift
    say "installing $what ..."
    if "$@" >"$log" 2>&1; then
        say "installed $what ($((SECONDS - start)) s)"
    else
        tail -n 15 "$log" >&2
        fail "$what: $(grep -v '^[[:space:]]*$' "$log" | tail -n 1)"
        return 1
    fi
}

has_go() { command -v go >/dev/null; }

is_built() { [[ -x $tools/bin/$1 && $(cat "$tools/versions/$1" 2>/dev/null) == "$2" ]]; }

# build NAME VERSION PACKAGE : a released command
build() {
    is_built "$1" "$2" && return
    attempt "$1 $2" env GOBIN="$tools/bin" go install -ldflags='-s -w' "$3@$2" && echo "$2" >"$tools/versions/$1"
}

# build_module NAME PACKAGE : a command whose module proxy answers no `go install path@version`;
# scripts/go/NAME pins it, its dependencies and their hashes
build_module() {
    local version
    version=$(cksum <"scripts/go/$1/go.sum")
    is_built "$1" "$version" && return
    attempt "$1" go build -C "scripts/go/$1" -ldflags='-s -w' -o "$tools/bin/$1" "$2" &&
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

install_run() {
    if has_go; then
        build registry "$REGISTRY" github.com/distribution/distribution/v3/cmd/registry
        build_module chartmuseum helm.sh/chartmuseum/cmd/chartmuseum
        build crane "$CRANE" github.com/google/go-containerregistry/cmd/crane
        build helm "$HELM" helm.sh/helm/v3/cmd/helm
    else
        say "no Go here: Debian's docker-registry 2.8 and skopeo stand in, there is no ChartMuseum (go.dev/dl)"
        debian docker-registry:docker-registry skopeo:skopeo
    fi
    debian curl:curl
}

install_clients() {
    install_run
    if has_go; then
        build oras "$ORAS" oras.land/oras/cmd/oras
        build_module helm-cm-push github.com/chartmuseum/helm-push/cmd/helm-cm-push
    fi
    debian docker-registry:docker-registry skopeo:skopeo buildah:buildah podman:podman \
        dockerd:docker.io containerd:containerd
}

main() {
    local group
    (($#)) || set -- python run clients
    for group in "$@"; do
        case $group in
            python | run | clients) "install_$group" ;;
            *) fail "$group: no such group (python, run, clients)" ;;
        esac
    done
    ((${#failures[@]})) || return 0
    printf 'tools: could not install:\n' >&2
    printf 'tools:   %s\n' "${failures[@]}" >&2
    return 1
}

main "$@"
