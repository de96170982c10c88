// Command css-lab shows and measures css-etcd: a demonstration of the whole, benchmarks, and a czar to play with. It
// runs nothing that a site needs: that is css-sync. See `css-lab --help`.
package main

import (
	"context"
	"os"
)

func main() {
	p := newProgram(os.Stdin, os.Stdout, os.Stderr, os.Getenv)
	ctx, stop := p.UntilSignalled(context.Background())
	code := p.Run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
