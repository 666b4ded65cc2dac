#!/bin/sh
# Gets the one version of Tenantry that both jobs use: ci/install.sh FOLDER
#
#   TENANTRY_URL     where the program is: the release you have chosen, or your own store of such things
#   TENANTRY_SHA256  its checksum: what is anything else is not run
set -eu

folder=$1
mkdir -p "$folder"
curl --silent --show-error --fail --location --output "$folder/tenantry" "$TENANTRY_URL"
printf '%s  %s\n' "$TENANTRY_SHA256" "$folder/tenantry" | sha256sum --check --quiet -
chmod +x "$folder/tenantry"
