#!/bin/sh
# Plans a pull request: ci/plan.sh FOLDER
#
# Leaves in FOLDER: plan.json (what a merge applies), plan.md (the comment). Ends with 0 if there is a plan that could be
# applied, whether or not it changes anything; with the exit code of `tenantry plan` otherwise (3: a document is wrong, 5: a gate
# refuses, 1 and 4: the directory). plan.md is there in every case, and its first line is the mark that the comment is found by.
#
#   TENANTRY        the program; default `tenantry`
#   TENANTRY_ALLOW  flags that narrow a gate, the same as for apply.sh: --allow-removals 12
#   TENANTRY_OWNER  whose plan it is, for a comment where there is none; default what `tenantry.yaml` says
set -u

# A comment without a plan has to carry the mark of those with one, or the last good plan would stay beside it. The program is
# not asked: it may be what fails. Its rule: `spec.owner`, else `metadata.name`, else (without a project file) `default`.
owner() {
    name=${TENANTRY_OWNER:-}
    # One line without remarks and quotes, so that it does not matter how it is written.
    line=$(sed -e 's/^#.*//' -e 's/[[:blank:]]#.*//' tenantry.yaml 2>/dev/null | tr '\r\n\t' '   ' | tr -d "\"'")
    for key in '[{, ]owner' 'metadata: *{\{0,1\} *name'; do
        [ -n "$name" ] || name=$(printf '%s\n' "$line" | sed -n "s/^.*$key: *\([a-z0-9.-]\{1,\}\).*/\1/p")
    done
    echo "${name:-default}"
}

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
        printf '<!-- tenantry-plan %s -->\n' "$(owner)"
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
