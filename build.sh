#!/usr/bin/env bash
# Makes the environment once, then the site:  ./build.sh [TARGET of make] [NAME=value ...]
#
# Without a target, the site; `./build.sh help` lists the targets, and installs nothing.
# TORCH_INDEX chooses where torch comes from: "cpu" (PyTorch's CPU wheels), "pypi", or the
# address of an index. By default, Linux without an NVIDIA driver takes the CPU wheels if
# their index answers.
set -euo pipefail
cd "$(dirname "$0")"
CPU_WHEELS=https://download.pytorch.org/whl/cpu

fail() { echo "build.sh: $1" >&2; exit 1; }

# -- What is asked for, and whether it can be done, before anything is installed

verb=${1:-html}
[ $# = 0 ] || shift
case $verb in -h | --help) verb=help ;; esac
command -v make >/dev/null ||
  fail "make is missing; install it (Debian and Ubuntu: apt install make; macOS: xcode-select --install; Windows: see docs/building.rst)"
grep -qE "^$verb:" Makefile || fail "unknown verb '$verb'; './build.sh help' lists them"
for argument in "$@"; do
  [[ $argument =~ ^[A-Z_]+= ]] || fail "'$argument' is not understood; write NAME=value, as in RECIPE=gradient_clipping"
done
make --no-print-directory -s help PYTHON=none "$@" >/dev/null || exit 1 # it knows the names
case $verb in help | clean) exec make --no-print-directory "$verb" PYTHON=none ;; esac

# -- The environment: made, or mended if it was left half made

find_python() {
  python=.venv/bin/python
  [ -x "$python" ] || python=.venv/Scripts/python.exe # Windows
}
recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python
if ! [ -x "$python" ] || ! "$python" -c '' 2>/dev/null; then
  for base in python3 python3.14 python3.13 python3.12 python3.11 python ""; do
    [ -n "$base" ] || fail "no Python 3.11 or newer found; install one from python.org or your system's packages"
    recent "$base" && break
  done
  "$base" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "$base has no venv module; install it (Debian and Ubuntu: apt install python3-venv)"
  echo "making .venv"
  "$base" -m venv --clear .venv || fail "could not make .venv; see above"
  find_python
fi
recent "$python" || fail ".venv has a Python older than 3.11; remove the folder .venv, and run again"
"$python" -m pip --version >/dev/null 2>&1 || { # it was interrupted, or another tool made it
  echo "adding pip to .venv"
  "$python" -m ensurepip >/dev/null 2>&1 || "$python" -m ensurepip --upgrade >/dev/null ||
    fail ".venv has no pip and cannot get it; remove the folder .venv, and run again"
}

# -- What is installed in it

requirements=requirements-dev.txt
case $verb in html | html-noplot | new | data | epub | zips | inventories | linkcheck | repeat) requirements=requirements.txt ;; esac
index=${TORCH_INDEX:-pypi}
pins=$(cat requirements.txt requirements-recipes.txt "$requirements" constraints.txt)
if [ "$(cat ".venv/installed-$requirements" 2>/dev/null)" != "$pins" ]; then
  if [ -z "${TORCH_INDEX:-}" ] && [ "$(uname -s)" = Linux ] && ! [ -e /proc/driver/nvidia/version ] &&
    "$python" -c "import urllib.request as u; u.urlopen('$CPU_WHEELS/torch/', timeout=4)" 2>/dev/null; then
    index=cpu
  fi
  free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1048576)}')
  need=$([ "$index" = pypi ] && echo 8 || echo 3)
  [ "$free" -ge "$need" ] || ls .venv/installed-* >/dev/null 2>&1 ||
    fail "the installation needs $need GB of disk space, here are $free GB; free some or move the folder"
  options=(--disable-pip-version-check -r "$requirements" -c constraints.txt)
  case $index in
    pypi) ;;
    cpu) options+=(--extra-index-url "$CPU_WHEELS") ;;
    *) options+=(--extra-index-url "$index") ;;
  esac
  [ -t 1 ] || options+=(-q) # on a terminal pip shows how far it is
  echo "installing $requirements into .venv (torch from: $index); this takes some minutes once"
  "$python" -m pip install "${options[@]}" ||
    fail "the installation failed; see pip's message above (no network? then run again when there is one). What was there is kept"
  printf '%s\n' "$pins" > ".venv/installed-$requirements"
fi

[ "$verb" != test ] || make --no-print-directory html PYTHON="$python"
make --no-print-directory "$verb" PYTHON="$python" "$@"
[ "$verb" != html ] || echo "open file://$PWD/_build/html/index.html"
