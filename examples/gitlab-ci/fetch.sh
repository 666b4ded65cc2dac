#!/bin/sh
# Gets the plan that was approved with a merge: ci/fetch.sh PLAN.json
#
# From the commit on the default branch to the merge request that was merged into it as that, from there to the last successful
# `plan` job of the head that was merged, and from there to what that job has kept. Never from a note: anybody may write one.
#
#   CI_API_V4_URL, CI_PROJECT_ID, CI_COMMIT_SHA, CI_COMMIT_BRANCH  set by GitLab
#   TENANTRY_READ_TOKEN  a project access token: role Reporter, scope `read_api`
set -eu

plan=$1
http=${TENANTRY_HTTP:-$(dirname "$0")/http.sh}
api=$CI_API_V4_URL/projects/$CI_PROJECT_ID
TENANTRY_TOKEN=$TENANTRY_READ_TOKEN
export TENANTRY_TOKEN
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

none() {
    echo "$1: nothing is applied. Look at \`tenantry plan\`, and apply it by hand." >&2
    exit 1
}

"$http" GET "$api/repository/commits/$CI_COMMIT_SHA/merge_requests?per_page=100" >"$work/merged.json"
# A merge commit, a squashed one, or the head itself where the branch was only moved on. One that was merged into another branch
# was planned against that one, even if its commit got here later.
jq --arg sha "$CI_COMMIT_SHA" --arg target "$CI_COMMIT_BRANCH" 'map(select(.state == "merged" and .target_branch == $target
    and ([.merge_commit_sha, .squash_commit_sha, .sha] | index($sha)))) | .[0]' "$work/merged.json" >"$work/request.json"
request=$(jq -r '.iid // ""' "$work/request.json")
head=$(jq -r '.sha // ""' "$work/request.json")
[ -n "$request" ] || none "$CI_COMMIT_SHA is no merge of a merge request into $CI_COMMIT_BRANCH"

"$http" GET "$api/merge_requests/$request/pipelines?per_page=100" >"$work/pipelines.json"
# The pipeline of a fork is none of ours, whatever its commit.
pipelines=$(jq -r --arg sha "$head" --arg project "$CI_PROJECT_ID" \
    'map(select(.sha == $sha and (.project_id | tostring) == $project)) | sort_by(-.id) | .[].id' "$work/pipelines.json")
for pipeline in $pipelines; do
    "$http" GET "$api/pipelines/$pipeline/jobs?scope%5B%5D=success&per_page=100" >"$work/jobs.json"
    job=$(jq -r 'map(select(.name == "plan" and .status == "success")) | max_by(.id) | .id // ""' "$work/jobs.json")
    if [ -n "$job" ]; then
        "$http" GET "$api/jobs/$job/artifacts/out/plan.json" >"$plan"
        exit 0
    fi
done
none "No plan of $head has succeeded"
