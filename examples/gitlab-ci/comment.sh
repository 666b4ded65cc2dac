#!/bin/sh
# Shows a plan as the one note of a merge request: ci/comment.sh PLAN.md
#
# The note is found by its first line, the mark, and only among those of whoever this token is: somebody else may write a note
# that begins like ours, and edit it later.
#
#   CI_API_V4_URL, CI_PROJECT_ID, CI_MERGE_REQUEST_IID  set by GitLab
#   TENANTRY_NOTES_TOKEN                                a project access token: role Reporter, scope `api`
set -eu

plan=$1
http=${TENANTRY_HTTP:-$(dirname "$0")/http.sh}
notes=$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes
TENANTRY_TOKEN=$TENANTRY_NOTES_TOKEN
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

"$http" GET "$CI_API_V4_URL/user" >"$work/user.json"
author=$(jq -r .id "$work/user.json")
id=
page=1
while :; do
    "$http" GET "$notes?per_page=100&page=$page" >"$work/notes.json"
    id=$(jq -r --arg mark "$mark" --argjson author "$author" \
        'map(select(.author.id == $author and ((.body // "") | split("\n")[0] // "" | rtrimstr("\r")) == $mark)) | .[0].id // ""' \
        "$work/notes.json")
    [ -z "$id" ] && [ "$(jq length "$work/notes.json")" -eq 100 ] || break
    page=$((page + 1))
done

if [ -n "$id" ]; then
    "$http" PUT "$notes/$id" "$work/body.json" >/dev/null
else
    "$http" POST "$notes" "$work/body.json" >/dev/null
fi
