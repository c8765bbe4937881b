#!/usr/bin/env bash
# Makes the secrets that Compose and the local Kubernetes overlay mount, once; existing ones stay.
#   deploy/secrets.sh                          for Compose: deploy/secrets/
#   deploy/secrets.sh deploy/k8s/overlays/local/secrets postgres
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-deploy/secrets}
host=${2:-postgres}
mkdir -p "$folder"
chmod 700 "$folder"

secret() { # name, content
  [ -s "$folder/$1" ] || (umask 077 && printf '%s' "$2" >"$folder/$1")
  # Readable by the containers' user (65532), whose id is nobody's on the host; the folder itself is closed to others.
  chmod 644 "$folder/$1"
}
random() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

secret assertion "$(random)"
secret postgres-password "$(random)"
secret users-seal "$(random)"
secret accounts-seal "$(random)"
secret admin-password "Admin-$(random | cut -c1-20)"
password=$(cat "$folder/postgres-password")
secret users-database-url "postgres://tollgate:$password@$host:5432/users"
secret accounts-database-url "postgres://tollgate:$password@$host:5432/accounts"
# The same role on a machine of one's own, in sessions that only read; in production, one that has nothing but SELECT.
secret accounts-readonly-database-url "postgres://tollgate:$password@$host:5432/accounts?options[default_transaction_read_only]=on"
