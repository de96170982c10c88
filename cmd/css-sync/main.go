// Command css-sync keeps Qserv's catalogue, the CSS, on etcd: it mirrors it to the MySQL table that Qserv reads, and
// shows, changes, saves and restores it. See `css-sync --help`.
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
