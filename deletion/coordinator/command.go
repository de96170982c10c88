package coordinator

import (
	"context"
	"encoding/json"
	"time"

	"github.com/qserv/css-etcd/internal/command"
)

// Command is a Dropper that runs a program for each Job. The program gets the Job as one JSON document on its standard
// input:
//
//	{"database":"LSST","whole":false,"incarnation":57,"mark":61,"history":"K3VZ...",
//	 "tables":[{"table":"Object","incarnation":57,"chunk_level":2}],"keep":["Object_5"]}
//
// keep is there only where the catalogue holds tables whose names look like those of chunk tables of what is dropped:
// these must not be touched.
//
// Exit code 0 says that all of it is removed, and the name becomes free. Any other is a failure, which is tried again;
// the end of what the program wrote to its standard error is then shown to operators and kept in etcd, so it must hold
// no secret. Standard output is thrown away.
//
// The program has to be written for this:
//
//   - It may be run twice for one Job, also when the first run succeeded and the coordinator was lost before it could
//     say so. What is gone already is success.
//   - It may run late: while one run is paused, another may finish, and a new table may get the name. Before it removes
//     anything it has to check that what it finds is of the incarnation in the Job, and it has to remove by a name that
//     is of that incarnation only: rename first, then drop. An incarnation is the revision of etcd at which the name
//     was created; a later table has a higher one, within one history.
//   - It is killed, with all processes of its group, when the coordinator ends or loses the lead, or after Timeout. A
//     run that was killed is repeated.
type Command struct {
	Path    string   // of the program; without a slash it is looked for as a shell does
	Args    []string // besides the Job
	Timeout time.Duration
}

var _ Dropper = Command{}

// Drop runs the program.
func (c Command) Drop(ctx context.Context, job Job) error {
	text, err := json.Marshal(job)
	if err != nil {
		return err
	}
	return command.Run(ctx, c.Path, c.Args, c.Timeout, append(text, '\n'))
}
