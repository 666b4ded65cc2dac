#!/bin/sh
# Gets the plan that was approved with a merge: ci/fetch.sh PLAN.json
#
# From the commit on the main branch to the pull request that was merged into it as that, from there to the successful plans of
# the head that was merged, and from there to the last that was kept for this pull request. Never from a comment: anybody may
# edit one.
#
#   GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_SHA, GITHUB_REF_NAME  set by GitHub
#   GITHUB_TOKEN   with `contents: read`, `pull-requests: read`, `actions: read`
#   PLAN_WORKFLOW  the workflow that plans; default `tenantry-plan.yaml`
set -eu

plan=$1
http=${TENANTRY_HTTP:-$(dirname "$0")/http.sh}
api=$GITHUB_API_URL/repos/$GITHUB_REPOSITORY
TENANTRY_TOKEN=$GITHUB_TOKEN
export TENANTRY_TOKEN
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

none() {
    echo "$1: nothing is applied. Look at \`tenantry plan\`, and apply it by hand." >&2
    exit 1
}

"$http" GET "$api/commits/$GITHUB_SHA/pulls?per_page=100" >"$work/pulls.json"
# One that was merged into another branch was planned against that one, even if its commit got here later.
jq --arg sha "$GITHUB_SHA" --arg base "$GITHUB_REF_NAME" \
    'map(select(.merged_at != null and .merge_commit_sha == $sha and .base.ref == $base)) | .[0]' \
    "$work/pulls.json" >"$work/pull.json"
number=$(jq -r '.number // ""' "$work/pull.json")
head=$(jq -r '.head.sha // ""' "$work/pull.json")
[ -n "$number" ] || none "$GITHUB_SHA is no merge of a pull request into $GITHUB_REF_NAME"

"$http" GET "$api/actions/workflows/${PLAN_WORKFLOW:-tenantry-plan.yaml}/runs?head_sha=$head&event=pull_request&status=success&per_page=100" \
    >"$work/runs.json"
# The run of a fork is no run of ours, whatever its commit.
jq --arg sha "$head" --arg repository "$GITHUB_REPOSITORY" '.workflow_runs
    | map(select(.head_sha == $sha and .conclusion == "success" and .head_repository.full_name == $repository) | .id)' \
    "$work/runs.json" >"$work/ours.json"
[ "$(jq length "$work/ours.json")" -gt 0 ] || none "No plan of $head has succeeded"

# A run does not say for long whose it was: GitHub forgets that with the merge. So what it keeps bears the number, and two pull
# requests with one head are told apart by it. The newest is what the comment shows, in whatever order runs were started again.
name=tenantry-plan-$number
"$http" GET "$api/actions/artifacts?name=$name&per_page=100" >"$work/artifacts.json"
artifact=$(jq -r --arg name "$name" --slurpfile ours "$work/ours.json" '.artifacts
    | map(select(.name == $name and (.expired | not) and (.workflow_run.id as $run | $ours[0] | index($run))))
    | max_by(.id) | .id // ""' "$work/artifacts.json")
[ -n "$artifact" ] || none "No plan of $head for #$number is kept any more"
"$http" GET "$api/actions/artifacts/$artifact/zip" >"$work/plan.zip"
unzip -p "$work/plan.zip" plan.json >"$plan"
