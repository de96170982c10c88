package plan

import (
	"errors"
	"fmt"
	"slices"
)

// ErrBrake says that a plan was refused because it looks like the work of a wrong or emptied etcd. A [BrakeError] says
// which rule refused it.
var ErrBrake = errors.New("the mirror's brake is on")

// BrakeRule names a rule of the brake.
type BrakeRule string

// The rules. Only the first cannot be lifted.
const (
	NotACatalogue BrakeRule = "not_a_catalogue" // etcd holds no /css_meta/version with the value 1
	// the table has databases and none would stay; one alone may make place for another
	NoDatabase  BrakeRule = "no_database"
	MassDelete  BrakeRule = "mass_delete"  // more than 30 % of the rows would go, and more than 1,000
	MassForeign BrakeRule = "mass_foreign" // more rows of others would be undone than the mirror keeps a record of
)

// What the rule MassDelete lets pass.
const (
	massPercent = 30
	massRows    = 1000
)

const howToLift = "if that is right, let it through once with `css-sync mirror --once --allow-mass-delete`"

// BrakeError is a refusal by the brake; it is [ErrBrake].
type BrakeError struct {
	Rule     BrakeRule
	sentence string
}

func (e *BrakeError) Error() string { return ErrBrake.Error() + ": " + e.sentence }

// Is makes errors.Is(err, ErrBrake) true.
func (e *BrakeError) Is(target error) bool { return target == ErrBrake }

// BrakeCatalogue refuses any change of a table that has rows by an image that is not a catalogue of the version that
// Qserv reads. It returns nil or a [BrakeError].
func BrakeCatalogue(t *Table, to Image) error {
	if t.Len() == 0 {
		return nil
	}
	e, ok := to.Key(versionKey)
	switch {
	case !ok:
		return brake(NotACatalogue, "etcd holds no %s, so there is no catalogue below this prefix, and kvData has %d rows; "+
			"check the prefix, or fill etcd with `css-sync restore`", versionKey, t.Len())
	case e.Value != "1":
		return brake(NotACatalogue, "%s in etcd is %s and this program mirrors version \"1\"", versionKey, quote(e.Value))
	}
	return nil
}

// BrakeMerge refuses a plan that takes all the table's databases or very many of its rows away, unless the evidence
// explains it: what etcd's history deleted may be as much as it likes, and what others wrote may be undone as long as a
// record of it is kept. It is for plans made by comparing two states, where the wrong etcd shows as a mass of rows to
// delete. It returns nil or a [BrakeError].
func BrakeMerge(t *Table, p *Plan, e Evidence) error {
	if lost, bytes := e.Lost(); !e.Untouched && (lost > MaxForeign || bytes > MaxForeignBytes) {
		return brake(MassForeign, "others wrote, or may have written, %d rows of kvData, with %d bytes, that would be "+
			"undone, and the mirror keeps a record of at most %d rows and %d bytes; "+
			"save them, for example with mysqldump, and then let it through once with "+
			"`css-sync mirror --once --allow-mass-delete`", lost, bytes, MaxForeign, MaxForeignBytes)
	}
	rows := e.unexplained(p)
	before, kept, added := databases(t, p)
	gone := len(rows)
	switch {
	case before > 0 && kept == 0 && (added == 0 || before > 1) && t.columns.anyDatabase(rows):
		return brake(NoDatabase, "none of the %d databases in kvData is in the catalogue in etcd; %s", before, howToLift)
	case gone > massRows && gone*100 > massPercent*t.Len():
		return brake(MassDelete, "%d of the %d rows of kvData would be deleted; %s", gone, t.Len(), howToLift)
	}
	return nil
}

func brake(rule BrakeRule, format string, args ...any) error {
	return &BrakeError{Rule: rule, sentence: fmt.Sprintf(format, args...)}
}

// databases counts the rows of databases, and those that a plan keeps and inserts. Several that go are not made up for
// by what comes: another catalogue has databases, too.
func databases(t *Table, p *Plan) (before, kept, added int) {
	for _, r := range t.rows {
		before += t.columns.isDatabase(r.Key)
	}
	kept = before
	for _, r := range p.Deletes {
		kept -= t.columns.isDatabase(r.Key)
	}
	for _, r := range p.Inserts {
		added += t.columns.isDatabase(r.Key)
	}
	return before, kept, added
}

func (c *Columns) anyDatabase(rows []Row) bool {
	return slices.ContainsFunc(rows, func(r Row) bool { return c.isDatabase(r.Key) == 1 })
}

// isDatabase returns 1 for a key that the collation takes for that of a database and 0 for others.
func (c *Columns) isDatabase(key string) int {
	if depthOf(key) != 2 { // most are deeper, and folding costs
		return 0
	}
	if parent, ok := parentOf(c.Fold(key)); ok && parent == dbsKey {
		return 1
	}
	return 0
}
