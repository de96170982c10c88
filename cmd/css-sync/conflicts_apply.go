package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-sql-driver/mysql"
	"github.com/hashicorp/go-multierror"
	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/mirror/inbox"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

const applyHelp = `Write what others wrote into etcd, as if they had seen what etcd holds, and drop the conflict from the record. Of several the oldest comes first; what
cannot be applied is said of each, and the others are applied.

It is refused where etcd does not hold any more what it held when the conflict was recorded, or, of a removal, where something below the key
was written since. A removal takes all that is below the key, and is refused while czars are registered, as by css-sync del; table drop and db
drop wait for queries. With --force both are done nevertheless. What lies below a database, table or node that etcd does not hold is
refused in any case: apply what creates that first.

With -w json: a list of {"id","key","done","revision","error"}: done is "written", "removed", "nothing", where etcd holds it already, or "", and
error why it could not be done.`

// applied is the JSON form of what became of a conflict.
type applied struct {
	ID       int64            `json:"id"`
	Key      string           `json:"key"`
	Done     string           `json:"done"`
	Revision cssetcd.Revision `json:"revision"` // 0: nothing was changed
	Error    string           `json:"error,omitempty"`
}

func conflictsApply(p *program) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "apply ID...", Short: "Write what others wrote into etcd after all", Args: cli.Takes("ID..."),
		Long:    applyHelp,
		Example: "  css-sync conflicts show 7\n  css-sync conflicts apply 7",
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, target, err := p.conflictsAt(cmd, args)
			if err != nil {
				return err
			}
			return p.Shortly(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				views, err := applier{css, target, force}.all(ctx, ids)
				return errors.Join(p.Print(views, func(w io.Writer) { writeApplied(w, views) }), err)
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false,
		"apply although etcd holds something else by now, and remove although czars are registered, whose queries may fail")
	return cmd
}

func writeApplied(w io.Writer, views []applied) {
	for _, v := range views {
		switch v.Done {
		case "":
		case "nothing":
			fmt.Fprintf(w, "conflict %d: nothing to do: etcd holds that already of %s\n", v.ID, v.Key)
		default:
			fmt.Fprintf(w, "conflict %d: %s %s, revision %d\n", v.ID, v.Key, v.Done, v.Revision)
		}
	}
}

// applier writes conflicts into etcd.
type applier struct {
	css    *cli.Catalogue
	target *mysql.Config
	force  bool
}

// all applies conflicts, and goes on after those that cannot be.
func (a applier) all(ctx context.Context, ids []int64) (views []applied, err error) {
	var faults *multierror.Error
	for _, id := range ids {
		v, err := a.one(ctx, id)
		if err != nil {
			v.Done, v.Error = "", cli.Sentence(err)
			faults = multierror.Append(faults, fmt.Errorf("conflict %d: %w", id, err))
		}
		if views = append(views, v); ctx.Err() != nil {
			break
		}
	}
	if faults != nil && len(faults.Errors) == 1 {
		return views, faults.Errors[0]
	}
	return views, faults.ErrorOrNil()
}

// one applies a conflict and drops it.
func (a applier) one(ctx context.Context, id int64) (v applied, err error) {
	v.ID = id
	c, err := kvdata.ReadConflict(ctx, a.target, id)
	if err != nil {
		return v, err
	}
	v.Key = c.Key
	if v.Done, v.Revision, err = a.write(ctx, c); err != nil {
		return v, err
	}
	if _, err := kvdata.DropConflicts(ctx, a.target, id); err != nil {
		return v, fmt.Errorf("it is in etcd, and stays on record: %w", err)
	}
	return v, nil
}

// write writes what others wrote.
func (a applier) write(ctx context.Context, c kvdata.ConflictRecord) (done string, at cssetcd.Revision, err error) {
	if kvdata.MayBeCut(c.After.Text) && !a.force {
		return "", 0, fmt.Errorf("what others wrote has %d bytes and may be the beginning of a longer value; if it "+
			"is whole, give --force", len(c.After.Text))
	}
	have, err := a.css.Raw().Many(ctx, append(csskey.Parse(c.Key).Names(), c.Key)...)
	if err != nil {
		return "", 0, err
	}
	e := have[c.Key]
	if (inbox.Value{There: e.Exists(), Text: e.Value}) == c.After {
		return "nothing", 0, nil
	}
	if err := a.permits(ctx, c, have); err != nil {
		return "", 0, err
	}
	opts := []cssetcd.WriteOption{cssetcd.IfRevision(e.Mod)}
	if c.After.There {
		at, err = a.css.Raw().Put(ctx, c.Key, c.After.Text, opts...)
		return "written", at, err
	}
	if a.force {
		opts = append(opts, cssetcd.Unsafe())
	}
	at, err = a.css.Raw().Delete(ctx, c.Key, opts...)
	return "removed", at, err
}

// errNotAsRecorded says that etcd is not as it was when a conflict was recorded.
var errNotAsRecorded = errors.New("etcd has changed since that was recorded")

// permits returns why a conflict cannot be written into etcd as it is now.
func (a applier) permits(ctx context.Context, c kvdata.ConflictRecord, have map[string]cssetcd.Entry) error {
	e := have[c.Key]
	now := inbox.Value{There: e.Exists(), Text: e.Value}
	for _, name := range csskey.Parse(c.Key).Names() {
		if _, ok := have[name]; !ok && name != c.Key && c.After.There {
			return fmt.Errorf("etcd does not hold %s above the key %s; apply first what creates it", name, c.Key)
		}
	}
	switch {
	case a.force:
		return nil
	case now != c.Etcd:
		return forceful("%w: it holds %s of %s, and held %s", errNotAsRecorded, now, c.Key, c.Etcd)
	case e.Create > c.Revision:
		return forceful("%w: %s was made anew", errNotAsRecorded, c.Key)
	case c.After.There:
		return nil
	}
	below := a.css.Prefix() + "/" + string(csskey.Of(c.Key)) + "/"
	newer, err := a.css.Conn.Get(ctx, below, clientv3.WithPrefix(), clientv3.WithMinModRev(int64(c.Revision)+1),
		clientv3.WithKeysOnly())
	switch {
	case err != nil:
		return fmt.Errorf("look below %s: %w", c.Key, err)
	case len(newer.Kvs) > 0:
		return forceful("%w: %s below %s were written", errNotAsRecorded, cli.Count(len(newer.Kvs), "key"), c.Key)
	}
	return nil
}

func forceful(format string, args ...any) error {
	return cli.Hinted(fmt.Errorf(format, args...), "--force applies it nevertheless")
}
