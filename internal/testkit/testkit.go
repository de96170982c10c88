// Package testkit has what the tests of several packages share: servers of their own or of the whole package, etcd and
// MariaDB, in this process or in others; the programs of this repository; and the end of a package's tests.
//
// A package that uses any of it has
//
//	func TestMain(m *testing.M) { testkit.Main(m) }
package testkit

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

// atEnd closes what the tests of the package share.
var atEnd struct {
	mu   sync.Mutex
	todo []func() error
}

// closeAtEnd has something done by [Main] after the tests; the last first.
func closeAtEnd(f func() error) {
	atEnd.mu.Lock()
	defer atEnd.mu.Unlock()
	atEnd.todo = append(atEnd.todo, f)
}

func closeShared() (err error) {
	atEnd.mu.Lock()
	defer atEnd.mu.Unlock()
	for n := len(atEnd.todo) - 1; n >= 0; n-- {
		err = errors.Join(err, atEnd.todo[n]())
	}
	atEnd.todo = nil
	return err
}

// Main runs the tests of a package, closes what they share, and then fails the package if goroutines are left over. To
// be called by TestMain; it does not return. Unlike goleak's own main it waits for connections between the members of a
// cluster, which etcd leaves to their timeout of five seconds.
func Main(m interface{ Run() int }, opts ...goleak.Option) {
	code := m.Run()
	err := closeShared()
	if code == 0 {
		err = errors.Join(err, awaitNoLeak(time.Minute, opts))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "after the tests:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// awaitNoLeak looks for left-over goroutines until there are none. Each look takes about a second when there are some.
func awaitNoLeak(most time.Duration, opts []goleak.Option) error {
	deadline := time.Now().Add(most)
	for {
		err := goleak.Find(opts...)
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// Parallel lets n tests run at a time unless the command line says how many, where they mostly wait for servers and
// leases. To be called before [Main].
func Parallel(n int) {
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		if err := flag.Set("test.parallel", strconv.Itoa(n)); err != nil {
			panic(err)
		}
	}
}

// Soak skips a test that takes minutes or more, unless the environment has SOAK.
func Soak(t testing.TB) {
	t.Helper()
	if os.Getenv("SOAK") == "" {
		t.Skip("the long form runs with SOAK=1, as make soak does")
	}
}

// SoakTime returns how long a long form is to take: SOAK_TIME, or otherwise.
func SoakTime(t testing.TB, otherwise time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv("SOAK_TIME")
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("SOAK_TIME: %v", err)
	}
	return d
}

// Steps returns how many steps a property test takes: usual, or soak in the long form, with SOAK=1.
func Steps(usual, soak int) int {
	if os.Getenv("SOAK") != "" {
		return soak
	}
	return usual
}

// Check is [rapid.Check] with a number of runs of its own, where its hundred take long.
func Check(t *testing.T, most int, property func(*rapid.T)) {
	t.Helper()
	runs, failed := 0, false
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; runs > most && !failed { // a failure is made smaller in as many runs as it takes
			return
		}
		defer func() { failed = failed || rt.Failed() }()
		property(rt)
	})
}

// Long skips a test in the short form of the tests, and says why.
func Long(t testing.TB, why string) {
	t.Helper()
	if testing.Short() {
		t.Skip("not with -short: " + why)
	}
}

// OK takes what a call returned, which must not have failed: OK(t)(call()).
func OK(t testing.TB) func(_ any, err error) {
	t.Helper()
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Err returns the error of a call that returns something else, too.
func Err(_ any, err error) error { return err }
