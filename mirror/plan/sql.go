package plan

import (
	"fmt"
	"strings"
)

// SQL returns the statements that execute a plan on kvData, in their order, for people who want to see or run them by
// hand. Each names the row that it expects.
func (p *Plan) SQL() []string {
	var out []string
	for _, id := range p.Unhook {
		out = append(out, fmt.Sprintf("UPDATE kvData SET parentKvId = NULL WHERE kvId = %d", id))
	}
	for _, r := range p.Inserts {
		out = append(out, fmt.Sprintf("INSERT INTO kvData (kvId, kvKey, kvVal, parentKvId) VALUES (%d, %s, %s, %s)", r.ID,
			literal(r.Key), literal(r.Value), parentLiteral(r)))
	}
	for _, u := range p.Updates {
		out = append(out, fmt.Sprintf("UPDATE kvData SET kvKey = %s, kvVal = %s, parentKvId = %s WHERE kvId = %d AND %s = %d",
			literal(u.New.Key), literal(u.New.Value), parentLiteral(u.New), u.Old.ID, RowHash, u.Old.Hash()))
	}
	for _, r := range p.Deletes {
		out = append(out, fmt.Sprintf("DELETE FROM kvData WHERE kvId = %d AND BINARY kvKey = %s", r.ID, literal(r.Key)))
	}
	return out
}

func parentLiteral(r Row) string {
	if r.Parent == 0 {
		return "NULL"
	}
	return fmt.Sprint(r.Parent)
}

var escapes = strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\x00", `\0`, "\n", `\n`, "\r", `\r`, "\x1a", `\Z`)

// literal writes a text so that a server with any character set of the connection but exotic ones reads it again.
func literal(s string) string { return "'" + escapes.Replace(s) + "'" }
