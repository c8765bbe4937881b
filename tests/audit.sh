#!/usr/bin/env bash
# Audits the dependency tree: bans, licences, sources, and advisories when their database can be had.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
tool=target/tools/cargo-deny/bin/cargo-deny
if [ ! -x "$tool" ]; then
  tool=$(command -v cargo-deny || true)
fi
if [ -z "$tool" ]; then
  CARGO_TARGET_DIR=target/tools/build cargo install --quiet --locked --root target/tools/cargo-deny "cargo-deny@$version"
  tool=target/tools/cargo-deny/bin/cargo-deny
  rm -rf target/tools/build
fi

"$tool" --config .deny.toml --log-level error check bans licenses sources 2>/dev/null || "$tool" --log-level error check --config .deny.toml bans licenses sources
if "$tool" --log-level off check --config .deny.toml advisories >/dev/null 2>&1; then
  echo "advisories: none"
elif timeout 60 "$tool" fetch db >/dev/null 2>&1; then
  "$tool" --log-level error check --config .deny.toml advisories
else
  echo "advisories: NOT CHECKED, their database cannot be reached from here"
fi
