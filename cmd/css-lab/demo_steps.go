package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/survey"
	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// restore fills etcd with the sample and opens a view of it.
func (d *demo) restore(ctx context.Context) error {
	d.step("Restore the catalogue of a small invented sky survey into etcd")
	d.text("The CSS is Qserv's catalogue: which databases and tables there are, and which node holds what.")
	d.text("A chunk is a piece of the sky with the rows that lie in it. Here two nodes hold a copy of each.")
	began := time.Now()
	res, err := d.css.Restore(ctx, survey.Sample())
	if err != nil {
		return err
	}
	d.fact(began, "%s in %s, %s; %s of etcd in %s", cli.Count(res.Tables, "table"), cli.Count(res.Databases, "database"),
		cli.Count(res.Nodes, "node"), cli.Count(res.Keys, "key"), cli.Count(res.Transactions, "transaction"))
	if d.view, err = cssetcd.OpenView(ctx, d.css); err != nil {
		return err
	}
	d.onClose(func() error { d.view.Close(); return nil })
	return nil
}

// mirrorAll starts the mirror and waits until it has caught up.
func (d *demo) mirrorAll(ctx context.Context) error {
	if d.maria == nil {
		return nil
	}
	d.step("Mirror it to MySQL")
	d.text("kvData is the MySQL table in which the Qserv of today looks all of this up.")
	began := time.Now()
	taker, err := mirror.NewTaker(d.css, "")
	if err != nil {
		return err
	}
	d.mirror, err = mirror.New(mirror.Config{Feed: d.view.Subscribe(), Catalogue: d.css, Inbox: taker, Target: d.target,
		Owner: cli.Owner()})
	if err != nil {
		return err
	}
	filled, err := d.mirror.Once(ctx)
	if err != nil {
		return err
	}
	d.fact(began, "%s written in one transaction: kvData shows revision %d of etcd", cli.Count(filled.Rows, "row"),
		filled.Revision)
	// both sides write, from the beginning
	if err := mirror.ShareWriting(ctx, d.target, d.css, taker, kvdata.DefaultTimeout); err != nil {
		return err
	}
	d.runUntilClose(ctx, func(ctx context.Context) {
		_ = d.mirror.Run(ctx) // ends with ctx; what goes wrong before is in its status
	})
	return d.awaitMirror(ctx, func(s mirror.Status) bool { return s.Phase == mirror.Following })
}

// runUntilClose runs something until the demo ends.
func (d *demo) runUntilClose(ctx context.Context, run func(context.Context)) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run(ctx)
	}()
	d.onClose(func() error {
		cancel()
		<-ended
		return nil
	})
}

// demoPatience is how long the demo waits for what takes some milliseconds.
const demoPatience = 20 * time.Second

// await asks again and again until the answer is yes.
func await(ctx context.Context, what string, ask func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, demoPatience, fmt.Errorf("%s: waited %v in vain", what, demoPatience))
	defer cancel()
	for {
		yes, err := ask(ctx)
		if err != nil || yes {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Microsecond):
		}
	}
}

func (d *demo) awaitMirror(ctx context.Context, reached func(mirror.Status) bool) error {
	return await(ctx, "the mirror", func(context.Context) (bool, error) {
		s := d.mirror.Status()
		return reached(s), s.Err
	})
}

// create adds a table through the library and looks for it where others read.
func (d *demo) create(ctx context.Context) error {
	d.step("Create a table in etcd and look for it where others read")
	d.text("Times are counted from just before the write. A czar takes the time when it sees the table.")
	t := survey.NewTable()
	began := time.Now()
	rev, err := d.css.CreateTable(ctx, t)
	if err != nil {
		return err
	}
	d.fact(began, "cssetcd has created %s in one transaction, revision %d", t.Name, rev)
	query := "SELECT kvVal FROM kvData WHERE kvKey = '/DBS/" + t.Name.DB + "/TABLES/" + t.Name.Table + "'"
	status, inSQL, err := d.awaitSQL(ctx, began, query)
	if err != nil {
		return err
	}
	if err := d.awaitCzars(ctx, began, t.Name); err != nil {
		return err
	}
	if d.maria != nil {
		d.factIn(inSQL, "plain SQL sees it:")
		d.quote(query + "; -> " + status)
	}
	return nil
}

// awaitSQL returns what a query finds, when it finds something, and how long that took.
func (d *demo) awaitSQL(ctx context.Context, began time.Time, query string) (value string, took time.Duration,
	err error) {
	if d.maria == nil {
		return "", 0, nil
	}
	err = await(ctx, "the new table in kvData", func(ctx context.Context) (bool, error) {
		err := d.db.QueryRowContext(ctx, inDatabase(query)).Scan(&value)
		took = time.Since(began)
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		return err == nil, err
	})
	return value, took, err
}

// clash writes a name that MySQL cannot tell from another one.
func (d *demo) clash(ctx context.Context) error {
	d.step("Write a name that differs from another in upper and lower case only")
	d.text("To etcd, Object and OBJECT are two names; to kvData they are one. The library refuses the second.")
	t := survey.NewTable()
	t.Name.Table = "OBJECT"
	if _, err := d.css.CreateTable(ctx, t); errors.Is(err, cssetcd.ErrTableExists) {
		d.quote(cli.Sentence(err))
	} else {
		return fmt.Errorf("a name that clashes was not refused: %w", err)
	}
	if d.maria == nil {
		return nil
	}
	d.text("Written past the library, it goes into quarantine: recorded, shown, and kept off the other's row.")
	key := "/DBS/" + t.Name.DB + "/TABLES/" + t.Name.Table
	began := time.Now()
	if _, err := d.etcd.Put(ctx, d.css.Prefix()+"/css"+key, string(cssetcd.StatusReady)); err != nil {
		return err
	}
	if err := d.awaitMirror(ctx, func(s mirror.Status) bool { return s.Quarantined > 0 }); err != nil {
		return err
	}
	held, err := kvdata.ReadQuarantine(ctx, d.target, 1)
	if err != nil || len(held) == 0 {
		return fmt.Errorf("the quarantine is empty: %w", err)
	}
	d.fact(began, "in quarantine: %s", held[0].Key)
	d.quote(string(held[0].Reason) + ": " + held[0].Detail)
	return nil
}

// check compares all of both.
func (d *demo) check(ctx context.Context) error {
	if d.maria == nil {
		return nil
	}
	d.step("Check that MySQL and etcd agree")
	began := time.Now()
	report, err := mirror.Check(ctx, d.target, d.css)
	if err != nil {
		return err
	}
	if !report.InAgreement() {
		return fmt.Errorf("%w: %d between kvData and etcd", cli.ErrDifferences, len(report.Differences))
	}
	d.fact(began, "in agreement at revision %d: %s compared, no difference, %s in quarantine",
		report.Revision, cli.Count(report.Rows, "row"), cli.Count(len(report.Quarantined), "key"))
	return nil
}

// summary says what was seen.
func (d *demo) summary(took time.Duration) {
	d.title("What you have seen, in %.1f s", took.Seconds())
	d.text("etcd holds Qserv's catalogue; programs change it through cssetcd, one whole operation at a time.")
	d.text("Czars have all of it in memory, and see each change milliseconds later.")
	if d.maria != nil {
		d.text("`css-sync serve` keeps kvData equal to it: today's Qserv sees each change milliseconds later.")
		d.text("What today's Qserv writes into kvData comes to etcd, and to the czars.")
		d.text("`css-sync check` compares the two, key by key, at one revision.")
	}
	d.text("A table is dropped when no query uses it any more, and no query on another table notices:")
	d.text(fmt.Sprintf("queries run: %d, failed: %d, refused because they came after the mark: %d.", d.ran.run(),
		d.ran.failed, d.ran.refused))
	d.text("To go on: `css-sync --help` lists all commands, `css-lab bench` measures.")
}
