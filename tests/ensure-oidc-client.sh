#!/usr/bin/env bash
# Makes sure that the OpenID Connect client is there that the journey `oidc` is done with: a library of other people's, in an
# environment of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=target/tools/oidc
stamp="$tools/.authlib-1.6.5-requests-2.32.5"
[ -e "$stamp" ] && exit 0
rm -rf "$tools"
python3 -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check Authlib==1.6.5 requests==2.32.5
touch "$stamp"
