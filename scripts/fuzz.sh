#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other, for $FUZZTIME each.
set -euo pipefail

go=${GO:-go}
fuzztime=${FUZZTIME:-30s}
found=0
for package in $("$go" list ./...); do
	targets=$("$go" test -list '^Fuzz' "$package" </dev/null | grep '^Fuzz' || true)
	for target in $targets; do
		found=$((found + 1))
		echo "== $package $target"
		"$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" -fuzzminimizetime 50x "$package" </dev/null
	done
done
echo "$found fuzz targets, $fuzztime each"
