package chunkset

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
)

// String returns the text form: runs in rising order, "first-last" or a single id, with commas between; "" for the
// empty set. Equal sets have equal texts.
func (s Set) String() string { return string(s.appendText(nil)) }

func (s Set) appendText(to []byte) []byte {
	for first, last := range s.Runs() {
		if len(to) > 0 {
			to = append(to, ',')
		}
		to = strconv.AppendInt(to, int64(first), 10)
		if last > first {
			to = append(to, '-')
			to = strconv.AppendInt(to, int64(last), 10)
		}
	}
	return to
}

// MarshalText is String, for JSON and other encodings.
func (s Set) MarshalText() ([]byte, error) { return s.appendText([]byte{}), nil }

// UnmarshalText is Parse.
func (s *Set) UnmarshalText(text []byte) (err error) {
	*s, err = Parse(string(text))
	return err
}

// Parse reads the text form of a set. The runs may come in any order and may overlap; numbers have no sign and no zero
// in front, and there are no blanks. It returns ErrInvalid: for a part that is wrong, which it names, and for more than
// MaxLen ids.
func Parse(text string) (Set, error) {
	runs, err := parseRuns(text)
	if err != nil {
		return Set{}, err
	}
	runs = merged(runs)
	if n := length(runs); n > MaxLen {
		return Set{}, fmt.Errorf("%w: these are %d ids, and a set has at most %d", ErrInvalid, n, MaxLen)
	}
	bits := roaring.New()
	for _, r := range runs {
		const short = 32 // up to here ids are added faster one by one
		if r.last-r.first < short {
			for id := r.first; id <= r.last; id++ {
				bits.Add(id)
			}
			continue
		}
		bits.AddRange(uint64(r.first), uint64(r.last)+1)
	}
	return sealed(bits), nil
}

// MustParse is Parse for texts that stand in a program; it panics on a wrong one.
func MustParse(text string) Set {
	s, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return s
}

type run struct{ first, last uint32 }

func parseRuns(text string) ([]run, error) {
	if text == "" {
		return nil, nil
	}
	runs := make([]run, 0, strings.Count(text, ",")+1)
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, ok := parseID(from)
		last := first
		if ok && isRange {
			last, ok = parseID(to)
		}
		if !ok || last < first {
			return nil, wrongPart(part)
		}
		runs = append(runs, run{first, last})
	}
	return runs, nil
}

func parseID(text string) (uint32, bool) {
	if text == "" || len(text) > 1 && text[0] == '0' || text[0] == '+' {
		return 0, false
	}
	id, err := strconv.ParseUint(text, 10, 31)
	return uint32(id), err == nil
}

func wrongPart(part string) error {
	const most = 40 // bytes of it that are shown
	if len(part) > most {
		part = part[:most] + "..."
	}
	return fmt.Errorf("%w: %q is neither an id, such as 313, nor a run, such as 0-311, of ids from 0 to %d",
		ErrInvalid, part, MaxID)
}

// merged brings runs into order and joins those that overlap: a bitmap made of them costs no more than what is in it,
// whatever the text repeats.
func merged(runs []run) []run {
	slices.SortFunc(runs, func(a, b run) int { return cmp.Compare(a.first, b.first) })
	out := runs[:0]
	for _, r := range runs {
		if n := len(out); n > 0 && r.first <= out[n-1].last {
			out[n-1].last = max(out[n-1].last, r.last)
			continue
		}
		out = append(out, r)
	}
	return out
}

func length(runs []run) int {
	n := 0
	for _, r := range runs {
		n += int(r.last) - int(r.first) + 1
	}
	return n
}
