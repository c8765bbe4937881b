#!/usr/bin/env bash
# Makes sure that cargo-nextest is there, which runs the tests: finds it, or installs it beside the other tools of cargo's.
set -euo pipefail

cargo nextest --version >/dev/null 2>&1 && exit 0
echo "cargo-nextest, which runs the tests, is not there: installing it with cargo (once, some minutes)"
cargo install --locked cargo-nextest
