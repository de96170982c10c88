package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
)

// keys are CSS keys and their values.
type keys = map[string]string

var tested clitest.Program = func(stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) *cli.Program {
	return newProgram(stdin, stdout, stderr, getenv).Program
}

var onEtcd, onServer, onBoth, elsewhere = tested.OnEtcd, tested.OnServer, tested.OnBoth, tested.Elsewhere

func TestMain(m *testing.M) {
	if os.Getenv(clitest.AsProgram) == "deaf" { // one that does not care for its context
		ctx, _ := tested(nil, nil, os.Stderr, nil).UntilSignalled(context.Background())
		fmt.Println("ready")
		<-ctx.Done()
		fmt.Println("first signal")
		select {}
	}
	clitest.Printed = keepsItsForm
	clitest.Main(m, main)
}

// filled returns a command line on an etcd with a small catalogue.
func filled(t *testing.T) *clitest.CommandLine {
	t.Helper()
	c := onEtcd(t)
	clitest.Fill(c.OK)
	return c
}
