#!/usr/bin/env bash
# Makes sure that the OpenID Connect client is there that the journey `oidc` is done with: a library of other people's, in an
# environment of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=target/tools/oidc
stamp="$tools/.authlib-1.6.5-requests-2.32.5"
[ -e "$stamp" ] && exit 0
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-venv
  else
    echo "make test needs python3 with venv (Debian: python3-venv), for a client of other people's to sign in with" >&2
    exit 1
  fi
fi
rm -rf "$tools"
python3 -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check Authlib==1.6.5 requests==2.32.5
touch "$stamp"
