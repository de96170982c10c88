#!/usr/bin/env bash
# Checks everything that can be checked without running a test, goes on after a
# failure so that one run shows all of them, and exits 1 if there was any.
# shellcheck disable=SC2317 # functions are called by name, through check
set -euo pipefail

go=${GO:-go}
longest=400 # lines of a file that is not a test
widest=120  # characters of a line
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

# Go: all lines but those of raw strings over several lines, which are texts of
# programs, code in doc comments, what follows "// Output:" in an example, and
# raw strings that are long by themselves, such as a line of JSON.
wide_code() {
	# shellcheck disable=SC2016 # the dollars are those of awk
	sources '*.go' | LC_ALL=C xargs -0 -r awk -v most="$widest" '
		function width(line) { gsub(/[\200-\277]/, "", line); return length(line) } # UTF-8, in any awk
		FNR == 1 { raw = output = 0 }
		{
			begins_raw = raw
			code = $0
			comment = !raw && code ~ /^[ \t]*\/\//
			if (comment && code ~ /\/\/ (Unordered o|O)utput:/) output = 1
			if (!comment) {
				output = 0
				if (!raw) gsub(/"([^"\\]|\\.)*"|\047`\047/, "", code)
				if (!raw && code !~ /`.*\/\/.*`/) sub(/\/\/.*/, "", code)
				raw = (raw + gsub(/`/, "", code)) % 2
			}
			whole = match($0, /`[^`]*`/) && RLENGTH > most / 2
			if (width($0) > most && !begins_raw && !raw && !output && !whole && $0 !~ /^[ \t]*\/\/\t/)
				print FILENAME ":" FNR ": " width($0) " characters"
		}'
}

# Documents: all lines but rows of tables that have links, code blocks, and
# names in backquotes that are long by themselves.
wide_documents() {
	# shellcheck disable=SC2016 # the dollars are those of awk
	sources '*.md' | LC_ALL=C xargs -0 -r awk -v most="$widest" '
		function width(line) { gsub(/[\200-\277]/, "", line); return length(line) } # UTF-8, in any awk
		FNR == 1 { code = 0 }
		/^ *```/ { code = !code }
		width($0) > most && !code && !(/^\|/ && /\]\(/) && !(match($0, /`[^`]*`/) && RLENGTH > most / 2) { print FILENAME ":" FNR ": " width($0) " characters" }'
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
check "widths of lines of code" silent wide_code
check "widths of lines of documents" silent wide_documents
check "file sizes" silent large_files
check "tests named in docs" scripts/names.sh
exit "$failed"
