#!/usr/bin/env bash
# A session of 200 turns through what happens to gateways: one is killed in the middle of a turn, and
# later all are replaced. It fails unless every turn is told exactly once and the pinned facts are told
# to the members word for word from the first turn to the last.
#
#   NAMESPACE=emberfall examples/emberfall/long-story.sh        # after make demo
#
# Needs kubectl, curl and jq. Unset, NAMESPACE is default, STORYTELLER bard and TURNS 200.
set -euo pipefail

namespace=${NAMESPACE:-default} storyteller=${STORYTELLER:-bard} turns=${TURNS:-200}
gateway=$storyteller-gateway
facts=("The key lies under the third stone." "Mara owes Brannoch 42 songs. 灰")
folder=$(mktemp -d)
trap 'kill "${proxy:-}" "${thread:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT

k() { kubectl --namespace "$namespace" "$@"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

k wait --for condition=Ready "storyteller/$storyteller" --timeout 2m

kubectl proxy --port 0 >"$folder/proxy" &
proxy=$!
for _ in {1..50}; do grep -q '127.0.0.1' "$folder/proxy" && break; read -rt 0.1 <> <(:) || true; done
port=$(sed -n 's/.*127.0.0.1:\([0-9]*\).*/\1/p' "$folder/proxy")
url=http://127.0.0.1:$port/api/v1/namespaces/$namespace/services/http:$gateway:http/proxy

call() { curl --silent --show-error --fail-with-body --max-time 60 -H 'content-type: application/json' "$@"; }

# As docs/how-to/sessions.md says: a key for each question, and the same key until there is an answer.
turn() {
  local number=$1 tries=0
  local question="Day $number at the gate. Which way?"
  until call "$url/v1/sessions/$session/decisions" -H "Idempotency-Key: turn-$number" \
      -d "{\"question\": \"$question\", \"options\": [\"north\", \"south\"]}" >"$folder/answer" 2>>"$folder/errors"; do
    tries=$((tries + 1)); [ $tries -lt 300 ] || fail "turn $number: $(cat "$folder/answer" "$folder/errors")"
    echo "$number" >>"$folder/repeated"
    sleep 0.3
  done
  jq -r .id "$folder/answer" >>"$folder/decisions"
}

tell() { for ((n = $1; n <= $2; n++)); do turn "$n"; printf '\r%d of %d turns' "$n" "$turns"; done; }

session=$(call "$url/v1/sessions" -d '{"player": "Mara"}' | jq -r .id)
for fact in "${facts[@]}"; do call "$url/v1/sessions/$session/facts" -d "$(jq -n --arg text "$fact" '{$text}')" >/dev/null; done
echo "session $session, ${#facts[@]} facts pinned"

tell 1 $((turns / 4))
tell $((turns / 4 + 1)) $((turns / 2)) & thread=$!
echo; echo "killing $gateway-0 in the middle of a turn"
k delete pod "$gateway-0" --grace-period=0 --force 2>/dev/null
wait $thread || fail "turns after the kill"
tell $((turns / 2 + 1)) "$turns" & thread=$!
echo; echo "replacing every gateway"
k rollout restart "statefulset/$gateway"
k rollout status "statefulset/$gateway" --timeout 5m
wait $thread || fail "turns during the rollout"
echo

[ "$(sort -u "$folder/decisions" | wc -l)" = "$turns" ] || fail "a turn was told twice or lost"
view=$(call "$url/v1/sessions/$session")
[ "$(jq .turns <<<"$view")" = "$turns" ] || fail "the session has $(jq .turns <<<"$view") turns"
[ "$(jq .handovers <<<"$view")" -gt 0 ] || fail "the story was never handed over to a new chapter"
for decision in $(sed -n "1p;$((turns / 2))p;\$p" "$folder/decisions"); do
  told=$(call "$url/v1/decisions/$decision" | jq -r '.told[].content')
  for fact in "${facts[@]}"; do grep -qF "$fact" <<<"$told" || fail "decision $decision was made without: $fact"; done
done
echo "$turns turns, each told once; $(jq .handovers <<<"$view") hand-overs; facts told word for word;" \
  "$(wc -l <"$folder/repeated" 2>/dev/null || echo 0) questions repeated while gateways were away"
