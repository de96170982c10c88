package mirror

import (
	"errors"
	"slices"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror/kvdata"
	"github.com/qserv/css-etcd/mirror/plan"
)

// Code names a kind of trouble. The texts are a stable contract: monitors look for them.
type Code string

// The codes.
const (
	MySQLUnavailable Code = "mysql_unavailable"
	MySQLReadOnly    Code = "mysql_read_only"
	MySQLRefusesUser Code = "mysql_refuses_user"
	MySQLLocked      Code = "mysql_locked"
	MySQLFull        Code = "mysql_full"
	MySQLPacket      Code = "mysql_packet"
	MySQLBinlog      Code = "mysql_binlog_format"
	MySQLMoved       Code = "mysql_moved"
	TableNotQservs   Code = "table_not_qservs"
	LeftToMySQL      Code = "left_to_mysql"
	TableOfAnother   Code = "table_of_another_catalogue"
	TableNewer       Code = "table_newer_format"
	TableTaken       Code = "table_taken_over"
	ImportUnfinished Code = "import_unfinished"
	ExportUnfinished Code = "export_unfinished"
	ModeMismatch     Code = "mode_mismatch"
	CaptureBroken    Code = "capture_broken"
	TableOutOfIDs    Code = "table_out_of_ids"
	TableChanged     Code = "table_changed"
	ForeignWrites    Code = "foreign_writes"
	Conflicts        Code = "conflicts"
	NotCompared      Code = "not_compared"
	Quarantine       Code = "quarantine"
	EmptyTables      Code = "empty_chunks"
	BrakeOn          Code = "brake"
	EtcdWentBack     Code = "etcd_went_back"
	EtcdUnavailable  Code = "etcd_unavailable"
	NoMirror         Code = "no_mirror"
	NoDaemon         Code = "no_daemon"
	Behind           Code = "behind"
	Other            Code = "other"
)

// Kind is a kind of trouble: what it is called, what an operator does about it, and how long it lasts.
type Kind struct {
	Code  Code
	Holds bool   // kvData is not brought up to date while it lasts
	Human bool   // it stays until someone does something
	Do    string // what to do, as a sentence
	Ends  string // how long it lasts, as a sentence

	is func(error) bool
}

// kinds is the list, the more special before the more general.
var kinds = []Kind{
	{BrakeOn, true, true,
		"Find out whether etcd holds the right catalogue; if it does, run `css-sync mirror --once --allow-mass-delete`.",
		"Until the catalogue in etcd is whole again, or the change is let through.", is(ErrBrake)},
	{LeftToMySQL, true, true,
		"Stop `css-sync serve`; to take kvData into etcd again, run `css-sync import mysql --overwrite`.",
		"Until kvData is imported again.", is(ErrReleased)},
	{TableOfAnother, true, true,
		"Check --prefix, --endpoints and --mirror-name; if kvData is to show this catalogue from now on, " +
			"run `css-sync mirror --once --adopt`.",
		"Until the identity is right or the table adopted.", is(ErrIdentity)},
	{TableNotQservs, true, true, "Give kvData the columns and indexes that the message names.",
		"Until the table is as it has to be.", is(ErrNotKvData)},
	{TableNewer, true, true, "Use the newer css-sync that wrote the tables css_mirror_*.",
		"As long as this program is used.", is(ErrNewerFormat)},
	{ImportUnfinished, true, true, "Wait, if an import is under way. If it was interrupted, run `css-sync import mysql` " +
		"again, with --overwrite if kvData has changed since; or give it up with `css-sync export mysql`.",
		"Until the import has ended.", is(ErrImporting)},
	{ExportUnfinished, true, true, "Run `css-sync export mysql` again, which goes on.", "Until the export has ended.",
		is(ErrExporting)},
	{ModeMismatch, true, true, "Say who may write: `css-sync mirror --capture install` for both sides, or " +
		"`css-sync mirror --capture remove` for etcd alone.", "Until MySQL and etcd agree.", is(ErrMode)},
	{CaptureBroken, true, true, "Run `css-sync mirror --capture install` with a user that may make triggers; or, " +
		"if `css-sync mirror --capture remove` was interrupted, that again.",
		"Until what others write is captured again.", is(ErrCapture)},
	{TableOutOfIDs, true, true, "Number the rows of kvData anew while nothing writes there.",
		"Until there are ids for new rows.", is(plan.ErrNoIDs)},
	{TableTaken, true, false, "Nothing, if someone ran `css-sync mirror --once`; else give each daemon a --mirror-name " +
		"of its own, or the same etcd.", "A few seconds, unless two mirrors take the table from each other.", is(ErrFenced)},
	{TableChanged, true, false, "Nothing: the mirror compares everything again. If it happens often, find out who " +
		"writes into kvData.", "A moment.", is(kvdata.ErrDrift)},
	{MySQLMoved, true, false, "Nothing: the mirror goes on with the server that the address leads to now.", "A moment.",
		is(errMoved)},
	{MySQLPacket, true, true, "Raise max_allowed_packet as the message says.", "Until the server takes larger packets.",
		is(ErrPacket)},
	{MySQLBinlog, true, true, "SET GLOBAL binlog_format = 'MIXED' or 'ROW', and write it into the server's configuration.",
		"Until the format is another.", is(ErrBinlogFormat)},
	{MySQLRefusesUser, true, true, "Check user and password, and give the user what `css-sync grants` prints.",
		"Until the user may do what the mirror has to do.", is(ErrUnauthorized)},
	{MySQLFull, true, true, "Make room on the server.", "Until there is room.", is(ErrFull)},
	{MySQLLocked, true, false, "Find out who keeps kvData or css_mirror_state locked, for example with SHOW PROCESSLIST " +
		"and information_schema.INNODB_TRX, and end that.", "Until the locks are released.", is(ErrBusy)},
	{MySQLReadOnly, true, false, "Make the server writable, or give the address of the one that is.",
		"Until a server that can be written to answers.", is(ErrReadOnly)},
	{MySQLUnavailable, true, false, "See to it that the server runs and can be reached from here.",
		"Until the server answers.", is(ErrUnavailable)},
	{EtcdWentBack, true, false, "If etcd was restored from a backup, read about restores in OPERATIONS.",
		"A moment.", is(errRegressed)},
	{EtcdUnavailable, true, false, "See to it that etcd runs, has a quorum and can be reached from here.",
		"Until etcd answers.", is(cssetcd.ErrUnavailable)},
	{ForeignWrites, false, true, "See who wrote: `css-sync check` lists what differs, css_mirror_foreign what was " +
		"found; undo it with `css-sync check --repair`.", "Until the rows are undone or written by the mirror.", never},
	{Conflicts, false, true, "See which, and why: `css-sync conflicts list`; then apply each to etcd, or drop it, with " +
		"`css-sync conflicts apply` and `css-sync conflicts drop`.", "Until none is on record.", never},
	{NotCompared, false, false, "See to it that a second connection of the mirror's user can be made.",
		"Until the rows can be compared again.", never},
	{Quarantine, false, true,
		"`css-sync check` says which keys, and why; rename or delete them in etcd, or widen the table.",
		"As long as etcd holds such keys.", never},
	{EmptyTables, false, true, "Mend what the message names; privileges are those that `css-sync grants` prints, and " +
		"for removing tables `css-sync grants --remove-empty-chunks`.", "Until the tables can be kept.", never},
	{NoMirror, true, true, "Start `css-sync serve`, or check where MySQL is.", "Until a mirror has written there.",
		is(ErrNoMirror)},
	{NoDaemon, true, true, "Start `css-sync serve` with this --mirror-name.", "Until a daemon leads the mirror.", never},
	{Behind, true, false, "See what else is wrong, and whether MySQL is slow.", "Until kvData shows the newest revision.",
		never},
	{Other, true, false, "Read the message; if it does not help, report it.", "Until it passes.",
		func(err error) bool { return err != nil }},
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func never(error) bool { return false }

// Kinds returns all kinds of trouble.
func Kinds() []Kind { return slices.Clone(kinds) }

// KindOf returns the kind of an error that kept a mirror from writing.
func KindOf(err error) Kind {
	return kinds[slices.IndexFunc(kinds, func(k Kind) bool { return k.is(err) })]
}

// NewTrouble returns a trouble of a code of the list.
func NewTrouble(code Code, text string, since time.Time) Trouble {
	kind := kindOf(code)
	return Trouble{Code: code, Text: text, Do: kind.Do, Ends: kind.Ends, Holds: kind.Holds, Since: since}
}

func kindOf(code Code) Kind {
	return kinds[slices.IndexFunc(kinds, func(k Kind) bool { return k.Code == code })]
}

// needsSomeone reports whether an error stays until someone does something.
func needsSomeone(err error) bool { return KindOf(err).Human }

// Trouble is what a mirror has trouble with at a moment.
type Trouble struct {
	Code  Code      `json:"code"`
	Text  string    `json:"text"`           // what is wrong
	Do    string    `json:"do"`             // what to do about it
	Ends  string    `json:"ends"`           // how long it lasts
	Holds bool      `json:"holds"`          // kvData is not brought up to date while it lasts
	Since time.Time `json:"since,omitzero"` // not known: none
}

// notice is something that belongs into the log.
type notice struct {
	trouble Trouble
	what    moment
}

// moment says when in the life of a trouble a notice is.
type moment int

const (
	begins moment = iota
	lasts
	ends
)

// remindEvery is how often a trouble that lasts is told.
const remindEvery = time.Hour

// journal is the troubles of a moment, and when each was told last.
type journal struct {
	open []Trouble
	told map[Code]time.Time
}

// set notes that there is a trouble. One that is open already keeps its beginning; one without a code of its own
// begins again with another text.
func (j *journal) set(now time.Time, code Code, text string) []notice {
	i := slices.IndexFunc(j.open, func(t Trouble) bool { return t.Code == code })
	if i >= 0 && (code != Other || j.open[i].Text == text) {
		j.open[i].Text = text
		return nil
	}
	t := NewTrouble(code, text, now)
	if i >= 0 {
		j.open[i] = t
	} else {
		j.open = append(j.open, t)
	}
	if j.told == nil {
		j.told = map[Code]time.Time{}
	}
	j.told[code] = now
	return []notice{{t, begins}}
}

// clear notes that the troubles of which it is so are over.
func (j *journal) clear(over func(Trouble) bool) (out []notice) {
	j.open = slices.DeleteFunc(slices.Clone(j.open), func(t Trouble) bool {
		if !over(t) {
			return false
		}
		delete(j.told, t.Code)
		out = append(out, notice{t, ends})
		return true
	})
	return out
}

// again tells of a trouble that is open, which has another text now.
func (j *journal) again(now time.Time, code Code) []notice {
	j.told[code] = now
	return []notice{{j.open[slices.IndexFunc(j.open, func(t Trouble) bool { return t.Code == code })], lasts}}
}

// remind returns the troubles that have to be told again.
func (j *journal) remind(now time.Time) (out []notice) {
	for _, t := range j.open {
		if now.Sub(j.told[t.Code]) >= remindEvery {
			j.told[t.Code] = now
			out = append(out, notice{t, lasts})
		}
	}
	return out
}

// log writes notices.
func (m *Mirror) log(notices []notice) {
	for _, n := range notices {
		t := n.trouble
		switch n.what {
		case begins:
			m.cfg.Logger.Warn("the mirror has trouble", "code", t.Code, "err", t.Text, "do", t.Do)
		case lasts:
			m.cfg.Logger.Warn("the mirror still has trouble", "code", t.Code, "since", t.Since, "err", t.Text, "do", t.Do)
		case ends:
			lasted := time.Since(t.Since).Round(time.Millisecond)
			m.cfg.Logger.Info("the mirror's trouble is over", "code", t.Code, "lasted", lasted)
		}
	}
}
