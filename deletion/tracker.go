package deletion

import "context"

// QueryTracker knows of queries of czars that do not speak the protocol: those of C++ Qserv. A drop goes on when it says that none is left.
type QueryTracker interface {
	// Clear reports whether no such query can be using what the job names; reason says in a few words what it waits for when not. It is
	// asked again and again from the mark on, by a coordinator that keeps asking until it is true. It must not block for long.
	Clear(ctx context.Context, job Job) (clear bool, reason string, err error)
}
