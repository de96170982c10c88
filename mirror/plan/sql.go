package plan

import (
	"fmt"
	"unicode/utf8"
)

// SQL returns the statements that execute a plan on kvData, in their order, for people who want to see or run them by
// hand. Each names the row that it expects.
func (p *Plan) SQL() []string {
	var out []string
	for _, id := range p.Unhook {
		out = append(out, fmt.Sprintf("UPDATE kvData SET parentKvId = NULL WHERE kvId = %d", id))
	}
	for _, r := range p.Cleared() {
		out = append(out, deletion(r))
	}
	for _, r := range p.Inserts {
		out = append(out, fmt.Sprintf("INSERT INTO kvData (kvId, kvKey, kvVal, parentKvId) VALUES (%d, %s, %s, %s)", r.ID,
			literal(r.Key), literal(r.Value), parentLiteral(r)))
	}
	for _, u := range p.Updates {
		out = append(out, fmt.Sprintf("UPDATE kvData SET kvKey = %s, kvVal = %s, parentKvId = %s WHERE kvId = %d AND %s = %d",
			literal(u.New.Key), literal(u.New.Value), parentLiteral(u.New), u.Old.ID, RowHash, u.Old.Hash()))
	}
	for _, r := range p.Doomed() {
		out = append(out, deletion(r))
	}
	return out
}

func deletion(r Row) string {
	return fmt.Sprintf("DELETE FROM kvData WHERE kvId = %d AND %s = %d", r.ID, RowHash, r.Hash())
}

func parentLiteral(r Row) string {
	if r.Parent == 0 {
		return "NULL"
	}
	return fmt.Sprint(r.Parent)
}

// literal writes a text so that every session reads the same, whatever its character set and its modes: as it is where
// it is plain ASCII, and else by its bytes. One that is no text at all is for a column of bytes.
func literal(s string) string {
	if !utf8.ValidString(s) {
		return fmt.Sprintf("X'%X'", s)
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '\'' || c == '\\' {
			return fmt.Sprintf("CONVERT(X'%X' USING utf8mb4)", s)
		}
	}
	return "'" + s + "'"
}
