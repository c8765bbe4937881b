#!/usr/bin/env bash
# Makes sure that `postgres` and `redis-server` are there for the tests: finds them, installs them, or says what to install.
set -euo pipefail

has_postgres() {
  [ -n "${TEST_DATABASE_URL:-}" ] || command -v postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null
}
has_redis() {
  [ -n "${TEST_REDIS_URL:-}" ] || command -v redis-server >/dev/null
}
has_postgres && has_redis && exit 0

if [ "$(id -u)" = 0 ]; then
  if command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    has_postgres || apt-get install -y -qq --no-install-recommends postgresql
    has_redis || apt-get install -y -qq --no-install-recommends redis-server
  elif command -v dnf >/dev/null; then
    has_postgres || dnf install -y -q postgresql-server
    has_redis || dnf install -y -q redis
  elif command -v apk >/dev/null; then
    has_postgres || apk add -q postgresql
    has_redis || apk add -q redis
  fi
fi

if ! has_postgres || ! has_redis; then
  echo "make test needs postgres and redis-server: install PostgreSQL 14+ and Redis 6.2+, or set TEST_DATABASE_URL and TEST_REDIS_URL" >&2
  exit 1
fi
