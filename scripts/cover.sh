#!/usr/bin/env bash
# Prints the share of statements that the tests ran, for each package and in
# all, from the coverage profile given as the argument.
set -euo pipefail

# A profile of several test binaries repeats each block; a block counts as run
# when any of them ran it. A line is: file.go:from,to statements count
awk '
	/^mode:/ { next }
	{ statements[$1] = $2; if ($3 > 0) ran[$1] = 1 }
	END {
		for (block in statements) {
			package = block
			sub(/\/[^\/]*$/, "", package)
			all[package] += statements[block]
			total += statements[block]
			if (block in ran) { hit[package] += statements[block]; totalhit += statements[block] }
		}
		for (package in all)
			printf "%-55s %5.1f %%  of %5d statements\n", package, 100 * hit[package] / all[package], all[package] | "sort"
		close("sort")
		if (total > 0)
			printf "%-55s %5.1f %%  of %5d statements\n", "total", 100 * totalhit / total, total
	}
' "$1"
