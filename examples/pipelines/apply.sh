#!/bin/sh
# Applies what was approved with a merge: ci/apply.sh PLAN.json FOLDER
#
# Leaves applied.json in FOLDER, and ends as `tenantry apply` does: 0 if all that is declared is true now, 6 if something is
# held or failed (said last, one line each), 5 if a gate refused, 7 if somebody else was at work for longer than the wait.
#
#   TENANTRY        the program; default `tenantry`
#   TENANTRY_ALLOW  flags that narrow a gate, the same as for plan.sh
#   TENANTRY_WAIT   how long to wait for another run; default 10m
set -u

plan=$1
out=$2
mkdir -p "$out"
rm -f "$out/applied.json"

code=0
# Flags are several words: they are meant to be split.
# shellcheck disable=SC2086
"${TENANTRY:-tenantry}" apply --expect "$plan" --wait "${TENANTRY_WAIT:-10m}" ${TENANTRY_ALLOW:-} \
    -o text -o "json=$out/applied.json" || code=$?

case $code in
    0) ;;
    6)
        echo "Not everything that is declared is true yet:" >&2
        jq -r '(.objects[] | select(.hold != null) | "  held    \(.key): \(.hold.message)"),
               (.results[] | select(.outcome != "applied") | "  \(.outcome) \(.key): \(.error)"),
               (.problems[] | select(.severity == "error") | "  problem \(.file):\(.line): \(.message)")' \
            "$out/applied.json" >&2
        ;;
    7) echo "Another run held the lock for longer than ${TENANTRY_WAIT:-10m}: run this job again." >&2 ;;
    *) echo "\`tenantry apply\` ended with $code." >&2 ;;
esac
exit "$code"
