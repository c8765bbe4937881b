#!/usr/bin/env bash
# A narrated journey against a running stack (make run), in plain curl: every request and every answer is shown.
# TOLLGATE_URL names the stack; the administrator is TOLLGATE_ADMIN_EMAIL and TOLLGATE_ADMIN_PASSWORD, or the one that
# the stack wrote to its data folder at its first start.
set -euo pipefail
cd "$(dirname "$0")/.."

url=${TOLLGATE_URL:-http://127.0.0.1:8080}
credentials=${TOLLGATE_DATA_DIR:-data}/admin-credentials
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
[ -t 1 ] || bold='' dim='' plain=''

say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
fail() { printf '\n%sThe journey ends here: %s%s\n' "$bold" "$*" "$plain" >&2; exit 1; }

# A member of the last answer's JSON: text or number, the first one of that name.
member() { grep -o '"'"$1"'":"\{0,1\}[^",}]*' "$work/body" | head -n 1 | sed 's/^[^:]*:"\{0,1\}//'; }

# Passwords and tokens are shown shortened.
shorten() { sed -E 's/("(access_token|refresh_token)":"[^"]{12})[^"]*/\1…/g; s/("password":")[^"]*/\1…/g; s/(Bearer .{12})[^ ]*/\1…/; s/(password=)[^&]*/\1…/'; }

# call EXPECTED-STATUS METHOD PATH [BODY] [HEADER…]: shows the request and the answer, keeps the body.
call() {
  local expected=$1 method=$2 path=$3 body=${4:-} status
  shift $(($# > 4 ? 4 : $#))
  local arguments=(--silent --show-error --max-time 30 --request "$method" --dump-header "$work/head" --output "$work/body" --write-out '%{http_code}')
  printf '%s> %s %s' "$dim" "$method" "$path"
  for header in "$@"; do
    arguments+=(--header "$header")
    printf '\n> %s' "$header"
  done | shorten
  for header in "$@"; do arguments+=(--header "$header"); done
  if [ -n "$body" ]; then
    arguments+=(--data "$body")
    printf '\n> %s' "$body" | shorten
  fi
  printf '%s\n' "$plain"
  : >"$work/body"
  status=$(curl "${arguments[@]}" "$url$path") || fail "no answer from $url; is 'make run' running?"
  printf '< %s' "$status"
  grep -iE '^(location|idempotent-replayed|retry-after):' "$work/head" | tr -d '\r' | while read -r line; do printf '   %s' "$line"; done || true
  printf '\n'
  [ -s "$work/body" ] && { shorten <"$work/body" | sed 's/^/< /'; printf '\n'; }
  [ "$status" = "$expected" ] || fail "expected $expected, got $status"
}

json='Content-Type: application/json'

# sign_in LOGIN PASSWORD: the access token goes to $token.
sign_in() {
  call 200 POST /api/v1/auth/token "grant_type=password&username=$(encode "$1")&password=$(encode "$2")"
  token=$(member access_token)
}
encode() { local LC_ALL=C text=$1 out='' c i; for ((i = 0; i < ${#text}; i++)); do c=${text:i:1}; case $c in [a-zA-Z0-9.~_-]) out+=$c ;; *) out+=$(printf '%%%02X' "'$c") ;; esac; done; printf '%s' "$out"; }

admin_email=${TOLLGATE_ADMIN_EMAIL:-} admin_password=${TOLLGATE_ADMIN_PASSWORD:-}
if [ -z "$admin_email" ] && [ -r "$credentials" ]; then
  admin_email=$(sed -n 's/^email=//p' "$credentials")
  admin_password=$(sed -n 's/^password=//p' "$credentials")
fi
[ -n "$admin_email" ] || fail "no administrator: start the stack with 'make run' here, or set TOLLGATE_ADMIN_EMAIL and TOLLGATE_ADMIN_PASSWORD"

run=$(date +%s)$RANDOM
ada=ada$run bob=bob$run
password="correct horse $run battery"

say "1. Ada and Bob register."
call 201 POST /api/v1/users '{"email":"'"$ada"'@example.com","username":"'"$ada"'","password":"'"$password"'","name":"Ada"}' "$json"
ada_id=$(member id)
call 201 POST /api/v1/users '{"email":"'"$bob"'@example.com","username":"'"$bob"'","password":"'"$password"'","name":"Bob"}' "$json"

say "2. They sign in: OAuth 2, a five-minute access token and a refresh token that rotates."
sign_in "$ada" "$password"; ada_token=$token
sign_in "$bob@example.com" "$password"; bob_token=$token

say "3. Each opens an account. Amounts are integers of minor units: 1050 USD with exponent 2 is 10.50."
call 201 POST /api/v1/accounts '{"name":"Ada daily","currency":"USD"}' "$json" "Authorization: Bearer $ada_token"
ada_account=$(member id)
call 201 POST /api/v1/accounts '{"name":"Bob daily","currency":"USD"}' "$json" "Authorization: Bearer $bob_token"
bob_account=$(member id)

say "4. Money enters through a treasurer: the administrator makes a user one, who opens a system account and funds Ada."
treasurer=treasurer$run
call 201 POST /api/v1/users '{"email":"'"$treasurer"'@example.com","username":"'"$treasurer"'","password":"'"$password"'"}' "$json"
treasurer_id=$(member id)
sign_in "$admin_email" "$admin_password"
call 200 PUT "/api/v1/users/$treasurer_id/roles" '{"roles":["user","treasurer"]}' "$json" "Authorization: Bearer $token"
sign_in "$treasurer" "$password"; treasurer_token=$token
call 201 POST /api/v1/accounts '{"name":"Cash at bank","currency":"USD","kind":"system"}' "$json" "Authorization: Bearer $treasurer_token"
cash=$(member id)
call 201 POST /api/v1/transfers '{"debit_account_id":"'"$cash"'","credit_account_id":"'"$ada_account"'","amount":100000,"currency":"USD","description":"opening balance"}' \
  "$json" "Authorization: Bearer $treasurer_token" "Idempotency-Key: fund-$run"

say "5. Ada pays Bob 25.00."
payment='{"debit_account_id":"'"$ada_account"'","credit_account_id":"'"$bob_account"'","amount":2500,"currency":"USD","description":"lunch"}'
call 201 POST /api/v1/transfers "$payment" "$json" "Authorization: Bearer $ada_token" "Idempotency-Key: lunch-$run"
first=$(cat "$work/body")

say "6. The answer got lost, so she sends it again with the same key: the same answer, byte for byte, and paid once."
call 201 POST /api/v1/transfers "$payment" "$json" "Authorization: Bearer $ada_token" "Idempotency-Key: lunch-$run"
[ "$(cat "$work/body")" = "$first" ] || fail "the replay differs from the first answer"
grep -qi '^idempotent-replayed: true' "$work/head" || fail "the replay does not say that it is one"

say "7. The same key for another payment is refused, and so is spending more than she has."
call 422 POST /api/v1/transfers "${payment/2500/9900}" "$json" "Authorization: Bearer $ada_token" "Idempotency-Key: lunch-$run"
[ "$(member code)" = idempotency_key_reused ] || fail "expected idempotency_key_reused"
call 422 POST /api/v1/transfers "${payment/2500/100000000}" "$json" "Authorization: Bearer $ada_token" "Idempotency-Key: too-much-$run"

say "8. Ada's account and its entries: opening 1000.00, less 25.00."
call 200 GET "/api/v1/accounts/$ada_account" '' "Authorization: Bearer $ada_token"
[ "$(member balance)" = 97500 ] || fail "the balance is $(member balance), expected 97500"
call 200 GET "/api/v1/accounts/$ada_account/entries" '' "Authorization: Bearer $ada_token"
call 200 GET "/api/v1/accounts/$bob_account/entries" '' "Authorization: Bearer $bob_token"

say "9. A hold: 40.00 for a hotel are set aside for an hour. They count as spent, and are hers until they are posted."
booking='{"debit_account_id":"'"$ada_account"'","credit_account_id":"'"$bob_account"'","amount":4000,"currency":"USD","description":"hotel","external_ref":"booking-'"$run"'","pending":true,"expires_in":3600}'
call 201 POST /api/v1/transfers "$booking" "$json" "Authorization: Bearer $ada_token" "Idempotency-Key: hold-$run"
hold=$(member id)
call 200 GET "/api/v1/accounts/$ada_account" '' "Authorization: Bearer $ada_token"
[ "$(member available)" = 93500 ] || fail "available is $(member available), expected 93500"
call 201 POST "/api/v1/transfers/$hold/post" '{"amount":3500,"release_remainder":true}' "$json" "Authorization: Bearer $ada_token" "Idempotency-Key: post-$run"
stay=$(member id)

say "10. Bob gives 10.00 of it back: a refund names what it pays back, and never adds up to more."
call 201 POST "/api/v1/transfers/$stay/reverse" '{"amount":1000,"description":"one night less"}' "$json" "Authorization: Bearer $bob_token" "Idempotency-Key: refund-$run"
call 422 POST "/api/v1/transfers/$stay/reverse" '{"amount":2501}' "$json" "Authorization: Bearer $bob_token" "Idempotency-Key: too-much-back-$run"
[ "$(member code)" = amount_exceeds_original ] || fail "expected amount_exceeds_original"

say "11. Her statement of today: opening balance + entries = closing balance. Also as camt.053 and PDF."
today=$(date -u +%Y-%m-%dT00:00:00Z)
call 200 GET "/api/v1/accounts/$ada_account/statement?from=$today&format=csv" '' "Authorization: Bearer $ada_token"
call 200 GET "/api/v1/accounts/$ada_account/statement?from=$today" '' "Authorization: Bearer $ada_token"
[ "$(member closing_balance)" = 95000 ] || fail "the statement closes with $(member closing_balance), expected 95000"

say "12. Bob cannot see Ada's account, and nobody sees anything without a token."
call 404 GET "/api/v1/accounts/$ada_account" '' "Authorization: Bearer $bob_token"
call 401 GET "/api/v1/accounts/$ada_account"

say "13. What an application shows first, in one answer, and a receipt that anybody can check by the published keys."
call 200 GET /api/v1/me/overview '' "Authorization: Bearer $ada_token"
[ "$(member complete)" = true ] || fail "a part of the overview is missing"
call 200 GET "/api/v1/transfers/$stay?receipt=true" '' "Authorization: Bearer $ada_token"
call 200 GET /.well-known/receipt-keys.json

say "14. Version 2 of the same user, and the way out."
call 200 GET /api/v2/users/me '' "Authorization: Bearer $ada_token"
[ "$(member id)" = "$ada_id" ] || fail "that is not Ada"

say "Done: registered, signed in, funded, paid once although sent twice, held, posted, refunded, and every cent accounted for."
