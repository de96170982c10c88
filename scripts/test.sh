#!/usr/bin/env bash
# Runs all tests, with the race detector but for five packages. With COVER set it
# writes a coverage profile to $PROFILE in the same run. With SHORT set it runs
# what fits into a minute and a half, without the race detector; what it leaves
# out says why.
set -euo pipefail

go=${GO:-go}
# Most packages wait for servers and leases more than for a processor, so three
# run at a time on two.
args=(-race -shuffle=on -count=1 -timeout 15m -p 3 -vet=off -ldflags=-w) # verify vets; what debuggers read takes long to link
# What tries millions of states or schedules, each in one goroutine, would take
# ten times as long with the race detector; what is tested of the page runs in a
# browser, beside an etcd that would be slow with it; and the commands of the
# documents, which take four times as long with it, are tested with it elsewhere.
alone=(./deletion/internal/protocol ./deletion/simulation ./mirror/inbox ./internal/page ./docs)
alone_args=(-count=1 -timeout 12m)
if [ -n "${COVER:-}" ]; then
	mkdir -p "$(dirname "$PROFILE")"
	rm -f "$PROFILE"
	# Scenarios exercise the packages from outside: count that too. Commands and
	# test helpers are left out.
	packages=$("$go" list ./... | grep -vE '/(cmd|e2e|examples)(/|$)|test$' | paste -sd, -)
	args+=(-covermode=atomic "-coverpkg=$packages" "-coverprofile=$PROFILE.unfinished")
	alone_args+=(-covermode=set "-coverprofile=$PROFILE.alone") # counting would take several times as long
fi

# Prints a line for each package, the output of what failed, what was skipped
# and why, and how many ran.
run() {
	# shellcheck disable=SC2016 # the inner shell knows the counts
	"$go" tool gotestsum --format pkgname-and-test-fails --format-icons text --format-hide-empty-pkg \
		--post-run-command 'bash -c "echo $((TESTS_TOTAL - TESTS_FAILED - TESTS_SKIPPED)) passed, $TESTS_FAILED failed, $TESTS_SKIPPED skipped"' \
		-- "$@"
}

if [ -n "${SHORT:-}" ]; then
	run -short -count=1 -timeout 5m -p 4 ./...
	exit
fi
run "${alone_args[@]}" "${alone[@]}"
# The gate with every order of its threads; atomics are others there.
run -count=1 -timeout 10m -tags explore -run Explore ./deletion
rest=$("$go" list ./... | grep -vE '/(deletion/(internal/protocol|simulation)|mirror/inbox|internal/page|docs)$')
# shellcheck disable=SC2086 # one word a package
run "${args[@]}" $rest
if [ -n "${COVER:-}" ]; then
	tail -n +2 "$PROFILE.alone" >>"$PROFILE.unfinished"
	mv "$PROFILE.unfinished" "$PROFILE"
fi
