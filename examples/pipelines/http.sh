#!/bin/sh
# One call of the forge's API: ci/http.sh METHOD URL [BODY.json]
#
# Prints the answer, and fails on any status from 400 on. The token goes to curl by its standard input, never by its command
# line, which others on the machine can read. A redirect to another host, where a forge keeps its files, does not get it: that
# holds for this header alone (curl passes on any other), so both forges are called with it.
#
#   TENANTRY_TOKEN  what goes behind `Authorization: Bearer`
set -eu

method=$1 url=$2 body=${3-}
set -- --silent --show-error --fail-with-body --location --max-time 120 --config - --url "$url"
# With `--request`, a redirect would be followed by the same method: a GET has none.
[ "$method" = GET ] || set -- "$@" --request "$method"
[ -z "$body" ] || set -- "$@" --header "Content-Type: application/json" --data-binary "@$body"
printf 'header = "Authorization: Bearer %s"\n' "$TENANTRY_TOKEN" | curl "$@"
