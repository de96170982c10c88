package main

import (
	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
)

// czarQueriesHelp is what the help of czar says of queries.
const czarQueriesHelp = `With --queries it is registered as a czar, takes part in the protocol of deletion, and runs the queries that standard input names, one
in a line, each as soon as its line is read and all at the same time:

  DATABASE.TABLE[,DATABASE.TABLE...] DURATION          such as: Sky.Object 3s

Each is planned with the catalogue as it is then, and admitted by the gate or refused. One that is admitted holds its tables for its
duration and asks the gate over and over whether it may go on. With --worker-dsn it really runs: SELECT COUNT(*) of each chunk of its
tables that the catalogue lists, one after the other and again from the beginning, each right after the gate has said yes; a table that
is not partitioned is asked as a whole. The first of those servers that has it answers. A query that the gate tells to end waits until
its chunk query has ended, and fails.

Of each query it prints that it is admitted or refused, and of one that was admitted that it has finished or failed. With -w json
that is an object {"time","query","tables","event","planned","seconds","chunk_queries","reason","error"}: query is the number of the
line in the input, event is admitted, refused, finished or failed, planned the revision of the catalogue that it was planned with.
How many seconds it took and how many chunk queries were answered is told in the end. Why it was refused or failed is one of the
reasons no_such_table, drop_pending, gone, not_ready, stale, aborted, closed, sql and other, and an error in a sentence. What is 0 or
empty is left out. The end of a query is printed before its tables are given back: what is removed is never told before it.

Empty lines and those that begin with # do nothing. A line that is no query is told of as the event invalid, without tables, and the czar
goes on; at the end its exit code is 3. Queries that are refused or fail do not change the exit code.

It ends when its input has ended and all queries have, or with the first SIGINT or SIGTERM when the running queries have ended; its
registration is then deleted, so that no drop waits for it. The second signal ends it at once.

With --no-gate it is not registered and asks nobody, as czars without the protocol do: a query on a table that is READY begins, no drop
waits for it, and it fails when its tables are removed meanwhile.`

// czarFlags say which queries a czar runs.
type czarFlags struct {
	queries, noGate bool
	name            string
	workers         cli.WorkerFlags
}

func (f *czarFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.queries, "queries", false, "register as a czar, and run the queries that standard input names")
	flags.StringVar(&f.name, "name", "",
		"what operators read where this czar holds a drop up; without it the host and the number of the process")
	f.workers.Register(cmd, "run queries on")
	flags.BoolVar(&f.noGate, "no-gate", false, "run queries without asking anybody: they can fail when a table is dropped")
}

func (f *czarFlags) check(cmd *cobra.Command, p *program) error {
	for _, name := range []string{"name", "worker-dsn", "worker-dsn-file", "no-gate"} {
		if cmd.Flags().Changed(name) && !f.queries {
			return cli.InvalidUse(cmd, "--%s is for queries; give --queries, too", name)
		}
	}
	switch {
	case !f.queries:
		return nil // variables for the workers are for other commands then
	case f.noGate && f.name != "":
		return cli.InvalidUse(cmd, "--name is that of a registered czar, which one with --no-gate is not")
	case cmd.Flags().Changed("name") && f.name == "":
		return cli.InvalidUse(cmd, "--name is empty")
	}
	return f.workers.Read(cmd, p.Connection.DialTimeout)
}
