#!/usr/bin/env bash
# Runs all tests with the race detector in one go. With COVER set it writes a
# coverage profile to $PROFILE in the same run.
set -euo pipefail

go=${GO:-go}
args=(-race -shuffle=on -count=1 -timeout 9m)
if [ -n "${COVER:-}" ]; then
	mkdir -p "$(dirname "$PROFILE")"
	rm -f "$PROFILE"
	# Scenarios exercise the packages from outside: count that too. Commands and
	# test helpers are left out.
	packages=$("$go" list ./... | grep -vE '/(cmd|e2e|examples)(/|$)|test$' | paste -sd, -)
	args+=(-covermode=atomic "-coverpkg=$packages" "-coverprofile=$PROFILE.unfinished")
fi

began=$SECONDS
if ! "$go" test "${args[@]}" ./...; then
	echo "tests failed after $((SECONDS - began)) s" >&2
	exit 1
fi
if [ -n "${COVER:-}" ]; then
	mv "$PROFILE.unfinished" "$PROFILE"
fi
echo "all tests passed in $((SECONDS - began)) s"
