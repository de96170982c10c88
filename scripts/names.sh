#!/usr/bin/env bash
# Fails when a document names a test that does not exist. A name counts when it
# stands in backticks: `TestX`, `FuzzX` or `ExampleX`, with or without the part
# of a subtest after a slash. Arguments: the documents; without any, docs/*.md.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ "$#" -eq 0 ]; then
	set -- docs/*.md
fi

# names DOCUMENT: the tests it names, one a line, as line:name.
names() {
	# shellcheck disable=SC2016 # the backticks are those of the document
	grep -noE '`(Test|Fuzz|Example)[A-Z][A-Za-z0-9_]*(/[^`]*)?`' "$1" | sed -E 's/`([A-Za-z0-9_]+).*/\1/'
}

there=$(mktemp)
trap 'rm -f "$there"' EXIT
git ls-files -z --cached --others --exclude-standard -- '*_test.go' | while IFS= read -r -d '' file; do
	[ ! -f "$file" ] || sed -nE 's/^func ((Test|Fuzz|Example)[A-Za-z0-9_]*)\(.*/\1/p' "$file"
done | sort -u >"$there"

failed=0
for document in "$@"; do
	if [ ! -r "$document" ]; then
		echo "$document: cannot be read"
		failed=1
		continue
	fi
	while IFS=: read -r line name; do
		if ! grep -qxF -- "$name" "$there"; then
			echo "$document:$line: there is no test $name"
			failed=1
		fi
	done < <(names "$document")
done
exit "$failed"
