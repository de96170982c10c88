// Command css-sync keeps Qserv's catalogue, the CSS, on etcd: it mirrors it to the MySQL table that Qserv reads, and shows,
// changes, saves and restores it. See `css-sync --help`.
package main

import (
	"context"
	"os"
)

func main() {
	p := &program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv}
	ctx, stop := p.untilSignalled(context.Background())
	code := p.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
