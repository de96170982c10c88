package plan_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// TestMain draws more cases than usual, for each of three kinds of tables: one costs a fifth of a millisecond. The
// command line may say otherwise.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "700"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}
