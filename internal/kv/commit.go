package kv

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Commit is what the value of CommitPath tells of the transaction that put it: which one it is, for its own Run, and
// who wanted what and when, for people. It is what the writer says of itself; nobody checks it.
type Commit struct {
	Token  string    // without a blank; the same for all attempts of one Run
	Author string    // "": not told
	Time   time.Time // when the Run began, by the clock of its machine, in milliseconds UTC; zero: not told
	Name   string    // of the operation
}

const (
	// MaxAuthor is how many bytes an author may have.
	MaxAuthor = 200
	maxName   = 1000
	timeForm  = "2006-01-02T15:04:05.000Z07:00"
)

// CheckAuthor returns what is wrong with a text as an author, if anything.
func CheckAuthor(author string) error {
	switch i := strings.IndexFunc(author, func(r rune) bool { return !unicode.IsPrint(r) }); {
	case author == "":
		return errors.New("it is empty")
	case len(author) > MaxAuthor:
		return fmt.Errorf("it has %d bytes, and %d is the most", len(author), MaxAuthor)
	case !utf8.ValidString(author):
		return errors.New("it is not UTF-8")
	case i >= 0:
		r, _ := utf8.DecodeRuneInString(author[i:])
		return fmt.Errorf("it has %+q, which cannot be printed", r)
	case strings.TrimSpace(author) != author:
		return errors.New("it begins or ends with a space")
	}
	return nil
}

// newCommit returns the commit of a Run that begins now.
func newCommit(author, name string) Commit {
	return Commit{Token: rand.Text(), Author: author, Time: inMilliseconds(time.Now()), Name: name}
}

// commitMembers are the JSON of a commit. Readers pass over members that they do not know.
type commitMembers struct {
	Author string `json:"author,omitempty"`
	Time   string `json:"time,omitempty"`
	Name   string `json:"name"`
}

// Encode returns the commit as a value of CommitPath: the token, a blank, and a JSON object. What is too long is cut.
func (c Commit) Encode() string {
	m := commitMembers{Author: clip(c.Author, MaxAuthor), Name: clip(c.Name, maxName)}
	if !c.Time.IsZero() {
		m.Time = c.Time.UTC().Format(timeForm)
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(m); err != nil {
		panic(fmt.Sprintf("kv: %v", err)) // texts always have a JSON form
	}
	return c.Token + " " + strings.TrimSuffix(text.String(), "\n")
}

// ParseCommit reads what Encode wrote, in this version or a later one, and the values of before, "TOKEN NAME". It takes
// any text: what it cannot read is a name, and what is too long is cut.
func ParseCommit(value string) Commit {
	token, rest, _ := strings.Cut(value, " ")
	c := Commit{Token: token}
	members := map[string]json.RawMessage{} // of a struct, a single bad member would spoil the others
	if !strings.HasPrefix(rest, "{") || json.Unmarshal([]byte(rest), &members) != nil {
		c.Name = clip(rest, maxName)
		return c
	}
	text := func(name string) (s string) {
		_ = json.Unmarshal(members[name], &s) // what is no text is not told
		return s
	}
	c.Author, c.Name = clip(text("author"), MaxAuthor), clip(text("name"), maxName)
	if at, err := time.Parse(time.RFC3339, text("time")); err == nil {
		c.Time = inMilliseconds(at)
	}
	return c
}

// inMilliseconds returns a time as it can be encoded; the zero time for one that cannot.
func inMilliseconds(t time.Time) time.Time {
	t = t.UTC().Truncate(time.Millisecond)
	if t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

// clip cuts a text to so many bytes of valid UTF-8.
func clip(text string, most int) string {
	text = strings.ToValidUTF8(text[:min(len(text), most+utf8.UTFMax)], string(utf8.RuneError))
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}
