#!/usr/bin/env bash
# Makes the environment once, then the site:  ./build.sh [html | test | any make target]
#
# TORCH_INDEX chooses where torch comes from: "cpu" (PyTorch's CPU wheels), "pypi", or the
# address of an index. By default, Linux without an NVIDIA driver takes the CPU wheels if
# their index answers.
set -euo pipefail
cd "$(dirname "$0")"
CPU_WHEELS=https://download.pytorch.org/whl/cpu

fail() { echo "build.sh: $1" >&2; exit 1; }

verb=${1:-html}
grep -qE "^$verb:" Makefile || fail "unknown verb '$verb'; './build.sh help' lists them"

python=.venv/bin/python
[ -x "$python" ] || python=.venv/Scripts/python.exe # Windows
if ! [ -x "$python" ]; then
  for base in python3 python3.14 python3.13 python3.12 python3.11 python ""; do
    [ -n "$base" ] || fail "no Python 3.11 or newer found; install one from python.org or your system's packages"
    "$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break
  done
  "$base" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "$base has no venv module; install it (Debian and Ubuntu: apt install python3-venv)"
  "$base" -m venv .venv || fail "could not make .venv; see above"
  python=.venv/bin/python
  [ -x "$python" ] || python=.venv/Scripts/python.exe
fi

requirements=requirements.txt
[ "$verb" = html ] || requirements=requirements-dev.txt
index=${TORCH_INDEX:-pypi}
if [ -z "${TORCH_INDEX:-}" ] && [ "$(uname -s)" = Linux ] && ! [ -e /proc/driver/nvidia/version ] &&
  "$python" -c "import urllib.request as u; u.urlopen('$CPU_WHEELS/torch/', timeout=4)" 2>/dev/null; then
  index=cpu
fi
pins=$(cat requirements.txt requirements-recipes.txt "$requirements" constraints.txt)
if [ "$(cat ".venv/installed-$requirements" 2>/dev/null)" != "$pins" ]; then
  free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1048576)}')
  need=$([ "$index" = pypi ] && echo 8 || echo 3)
  [ "$free" -ge "$need" ] || [ -e .venv/installed-requirements.txt ] ||
    fail "the installation needs $need GB of disk space, here are $free GB; free some or move the folder"
  case $index in
    pypi) set -- ;;
    cpu) set -- --extra-index-url "$CPU_WHEELS" ;;
    *) set -- --extra-index-url "$index" ;;
  esac
  echo "installing $requirements into .venv (torch from: $index); this takes some minutes once"
  "$python" -m pip install -q --disable-pip-version-check "$@" -r "$requirements" -c constraints.txt ||
    fail "the installation failed; see pip's message above (no network? then run again when there is one)"
  printf '%s\n' "$pins" > ".venv/installed-$requirements"
fi

[ "$verb" != test ] || make --no-print-directory html PYTHON="$python"
make --no-print-directory "$verb" PYTHON="$python"
[ "$verb" != html ] || echo "open file://$PWD/_build/html/index.html"
