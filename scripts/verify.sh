#!/usr/bin/env bash
# Checks everything that can be checked without running a test, goes on after a
# failure so that one run shows all of them, and exits 1 if there was any.
# shellcheck disable=SC2317 # functions are called by name, through check
set -euo pipefail

go=${GO:-go}
longest=400 # lines of a file that is not a test
failed=0

# check NAME COMMAND...: the command has to succeed; its output is of interest
# only when it does not.
check() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		echo "ok    $name"
		return
	fi
	printf 'FAIL  %s\n%s\n' "$name" "$out"
	failed=1
}

# silent COMMAND...: fails when the command fails or prints anything.
silent() {
	local out
	out=$("$@") && [ -z "$out" ] && return
	echo "$out"
	return 1
}

# sources PATTERN...: the files of the work tree that git does not ignore.
sources() {
	local file
	git ls-files -z --cached --others --exclude-standard -- "$@" | while IFS= read -r -d '' file; do
		[ ! -f "$file" ] || printf '%s\0' "$file"
	done
}

long_files() {
	sources '*.go' ':!*_test.go' | xargs -0 -r awk -v most="$longest" '
		FNR == most + 1 { print FILENAME " has more than " most " lines; split it" }'
}

large_files() {
	sources | xargs -0 -r du -b | awk '$1 > 500000 { print $2 " has " $1 " bytes; is it meant to be kept?" }'
}

shell_scripts() {
	sources '*.sh' .ci/run | xargs -0 -r shellcheck
}

check gofmt silent gofmt -l .
check vet "$go" vet ./...
check staticcheck "$go" tool staticcheck ./...
check "go.mod is tidy" "$go" mod tidy -diff
check shellcheck shell_scripts
check "file lengths" silent long_files
check "file sizes" silent large_files
check "tests named in docs" scripts/names.sh
exit "$failed"
