#!/bin/sh
# Plans a pull request: ci/plan.sh FOLDER
#
# Leaves in FOLDER: plan.json (what a merge applies), plan.md (the comment). Ends with 0 if there is a plan that could be
# applied, whether or not it changes anything; with the exit code of `tenantry plan` otherwise (3: a document is wrong, 5: a gate
# refuses, 1 and 4: the directory). plan.md is there in every case, and its first line is the mark that the comment is found by.
#
#   TENANTRY        the program; default `tenantry`
#   TENANTRY_ALLOW  flags that narrow a gate, the same as for apply.sh: --allow-removals 12
#   TENANTRY_OWNER  the owner that the project file names; for a comment where there is no plan
set -u

out=$1
mkdir -p "$out"
rm -f "$out/plan.json" "$out/plan.md"

code=0
# Flags are several words: they are meant to be split.
# shellcheck disable=SC2086
"${TENANTRY:-tenantry}" plan --detailed-exitcode ${TENANTRY_ALLOW:-} \
    -o text -o "markdown=$out/plan.md" -o "json=$out/plan.json" 2>"$out/errors.txt" || code=$?
cat "$out/errors.txt" >&2

if [ ! -s "$out/plan.md" ]; then
    # No plan came about: the comment says so, or it would show the one before.
    {
        printf '<!-- tenantry-plan %s -->\n' "${TENANTRY_OWNER:-default}"
        # The backquotes are those of Markdown.
        # shellcheck disable=SC2016
        printf '**There is no plan**: `tenantry plan` ended with %s.\n\n<pre>\n' "$code"
        head -c 30000 "$out/errors.txt" | sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g'
        printf '</pre>\n'
    } >"$out/plan.md"
fi
rm -f "$out/errors.txt"

case $code in
    0 | 2) exit 0 ;;
    *)
        # What cannot be applied is nothing to approve.
        rm -f "$out/plan.json"
        exit "$code"
        ;;
esac
