#!/usr/bin/env bash
# Audits the dependency tree: bans, licences, sources, and advisories when their database can be had.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
home=target/tools/cargo-deny-$version
if [ ! -x "$home/bin/cargo-deny" ]; then
  CARGO_TARGET_DIR=target/tools/build cargo install --quiet --locked --root "$home" "cargo-deny@$version"
  rm -rf target/tools/build
fi
deny() { "$home/bin/cargo-deny" --config .deny.toml --log-level warn "$@"; }

deny check bans licenses sources

# Only a database that cannot be had is excused, and said; an advisory that applies fails the check.
if timeout 60 "$home/bin/cargo-deny" --config .deny.toml --log-level off fetch db >/dev/null 2>&1; then
  deny check advisories
elif compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs/*/.git" >/dev/null; then
  echo "advisories: checked against the copy at hand, the database cannot be reached from here"
  deny --offline check advisories
else
  echo "advisories: NOT CHECKED, their database cannot be reached from here"
fi
