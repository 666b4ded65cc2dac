#!/bin/sh
# Gets the plan that was approved with a merge: ci/fetch.sh PLAN.json
#
# From the commit on the main branch to the pull request that was merged as it, from there to the last successful plan of the
# head that was merged, and from there to what that run has kept. Never from a comment: anybody may edit one.
#
#   GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_SHA  set by GitHub
#   GITHUB_TOKEN                                   with `contents: read`, `pull-requests: read`, `actions: read`
#   PLAN_WORKFLOW                                  the workflow that plans; default `tenantry-plan.yaml`
set -eu

plan=$1
http=${TENANTRY_HTTP:-$(dirname "$0")/http.sh}
api=$GITHUB_API_URL/repos/$GITHUB_REPOSITORY
TENANTRY_HEADER="Authorization: Bearer $GITHUB_TOKEN"
export TENANTRY_HEADER
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

none() {
    echo "$1: nothing is applied. Look at \`tenantry plan\`, and apply it by hand." >&2
    exit 1
}

"$http" GET "$api/commits/$GITHUB_SHA/pulls?per_page=100" >"$work/pulls.json"
head=$(jq -r --arg sha "$GITHUB_SHA" 'map(select(.merged_at != null and .merge_commit_sha == $sha)) | .[0].head.sha // ""' \
    "$work/pulls.json")
[ -n "$head" ] || none "$GITHUB_SHA is no merge of a pull request"

"$http" GET "$api/actions/workflows/${PLAN_WORKFLOW:-tenantry-plan.yaml}/runs?head_sha=$head&event=pull_request&status=success&per_page=100" \
    >"$work/runs.json"
# The run of a fork is no run of ours, whatever its commit.
run=$(jq -r --arg sha "$head" --arg repository "$GITHUB_REPOSITORY" '.workflow_runs
    | map(select(.head_sha == $sha and .conclusion == "success" and .head_repository.full_name == $repository))
    | max_by(.run_number) | .id // ""' "$work/runs.json")
[ -n "$run" ] || none "No plan of $head has succeeded"

"$http" GET "$api/actions/runs/$run/artifacts?name=tenantry-plan&per_page=100" >"$work/artifacts.json"
# A run that was started again has kept one for each attempt.
archive=$(jq -r '.artifacts | map(select(.name == "tenantry-plan" and (.expired | not))) | max_by(.id) | .archive_download_url // ""' \
    "$work/artifacts.json")
[ -n "$archive" ] || none "The plan of $head is not kept any more"
"$http" GET "$archive" >"$work/plan.zip"
unzip -p "$work/plan.zip" plan.json >"$plan"
