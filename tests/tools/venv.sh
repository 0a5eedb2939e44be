#!/usr/bin/env bash
# Makes .venv with the package (editable) and the dev dependency group, at the
# versions of constraints.txt. Does nothing when nothing changed since last time.
# $PYTHON names another interpreter than python3.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${PYTHON:-python3}
made_from=.venv/.made-from
now="$(cat pyproject.toml constraints.txt tests/tools/venv.sh | cksum) in $PWD"

say() { echo "venv: $*" >&2; }

# Debian cuts ensurepip off python3 and ships it as python3-venv.
ensure_venv_module() {
  "$python" -c 'import ensurepip' 2>/dev/null && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing python3-venv"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-venv >/dev/null
  else
    say "$python has no ensurepip; install python3-venv first"
    exit 1
  fi
}

if ! command -v "$python" >/dev/null; then
  say "no $python on PATH; Python 3.11 or newer is needed"
  exit 1
fi
if [ -x .venv/bin/python ] && [ "$(cat "$made_from" 2>/dev/null)" = "$now" ]; then
  exit 0
fi

if ! .venv/bin/python -c '' 2>/dev/null; then
  ensure_venv_module
  rm -rf .venv
  "$python" -m venv .venv
fi
# pip first: --group came with 25.1 and --build-constraint with 25.3, and
# Debian 12 brings 23.0.
say "installing the package and its dev group"
pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt)
"${pip[@]}" pip
"${pip[@]}" --build-constraint constraints.txt --editable . --group dev
echo "$now" >"$made_from"
