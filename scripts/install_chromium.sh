#!/usr/bin/env bash
# Installs Chromium from Debian's package, for the tests that open report.html in a browser, unless it is already
# installed. Needs root and apt-get.
set -euo pipefail

say() { echo "install_chromium: $*" >&2; }
die() { say "$@"; exit 1; }

if type -P chromium >/dev/null || type -P chromium-browser >/dev/null; then exit 0; fi
if ! command -v apt-get >/dev/null; then die "Chromium is not installed, and this machine has no apt-get"; fi
if [ "$(id -u)" != 0 ]; then die "Chromium is not installed, and only root can install it"; fi
say "installing Chromium from Debian's package"
export DEBIAN_FRONTEND=noninteractive
get=(apt-get -qq -o DPkg::Lock::Timeout=60)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# fonts-dejavu-core: without any font there is no text to measure
if ! { "${get[@]}" update && "${get[@]}" install -y --no-install-recommends chromium fonts-dejavu-core; } \
    >"$log" 2>&1; then
    tail -n 3 "$log" >&2
    die "apt-get could not install chromium"
fi
