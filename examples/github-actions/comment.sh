#!/bin/sh
# Shows a plan as the one comment of a pull request: ci/comment.sh PLAN.md
#
# The comment is found by its first line, the mark, and only among those of whoever this token is: somebody else may write a
# comment that begins like ours, and edit it later.
#
#   GITHUB_API_URL, GITHUB_REPOSITORY  set by GitHub
#   GITHUB_TOKEN                       with `pull-requests: write`
#   PR_NUMBER                          which pull request
#   TENANTRY_AUTHOR                    whose comment it is; default `github-actions[bot]`
set -eu

plan=$1
http=${TENANTRY_HTTP:-$(dirname "$0")/http.sh}
issues=$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/issues
TENANTRY_TOKEN=$GITHUB_TOKEN
export TENANTRY_TOKEN

mark=$(head -n 1 "$plan")
case $mark in
    '<!-- tenantry-plan '*) ;;
    *)
        echo "$plan does not begin with the mark of a plan" >&2
        exit 1
        ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
jq -Rs '{body: .}' <"$plan" >"$work/body.json"

id=
page=1
while :; do
    "$http" GET "$issues/$PR_NUMBER/comments?per_page=100&page=$page" >"$work/comments.json"
    id=$(jq -r --arg mark "$mark" --arg author "${TENANTRY_AUTHOR:-github-actions[bot]}" \
        'map(select(.user.login == $author and ((.body // "") | split("\n")[0] // "" | rtrimstr("\r")) == $mark)) | .[0].id // ""' \
        "$work/comments.json")
    [ -z "$id" ] && [ "$(jq length "$work/comments.json")" -eq 100 ] || break
    page=$((page + 1))
done

if [ -n "$id" ]; then
    "$http" PATCH "$issues/comments/$id" "$work/body.json" >/dev/null
else
    "$http" POST "$issues/$PR_NUMBER/comments" "$work/body.json" >/dev/null
fi
