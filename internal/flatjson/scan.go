package flatjson

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Scan calls f with the name and the value of each member of a JSON object, and returns false for a text that is
// anything else than an object whose members are all strings, even after some calls. The text has to be valid UTF-8. It
// is several times quicker than the standard library; whatever it does not take is left to [Decode], which also says
// what is wrong. What f is given may be part of the text.
func Scan(text string, f func(name, value string)) bool {
	s := scanner{text: text}
	return s.members(f)
}

// ScanCopy is Scan, and gives f copies, so that keeping some does not keep the text. They share one piece of memory.
func ScanCopy(text string, f func(name, value string)) bool {
	s := scanner{text: text, out: &strings.Builder{}}
	s.out.Grow(len(text)) // which it never exceeds
	return s.members(f)
}

// scanner is how far a text has been read.
type scanner struct {
	text string
	at   int
	out  *strings.Builder // where strings are copied to; nil: those without an escape stay part of the text
}

func (s *scanner) members(f func(name, value string)) bool {
	if !s.next('{') {
		return false
	}
	if !s.next('}') {
		for {
			name, ok := s.quoted()
			if !ok || !s.next(':') {
				return false
			}
			value, ok := s.quoted()
			if !ok {
				return false
			}
			f(name, value)
			if s.next(',') {
				continue
			}
			if !s.next('}') {
				return false
			}
			break
		}
	}
	s.space()
	return s.at == len(s.text)
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\n', '\r', '\t':
			s.at++
		default:
			return
		}
	}
}

// next takes a character, after white space, if it is the one.
func (s *scanner) next(c byte) bool {
	s.space()
	if s.at == len(s.text) || s.text[s.at] != c {
		return false
	}
	s.at++
	return true
}

// quoted takes a string.
func (s *scanner) quoted() (string, bool) {
	if !s.next('"') {
		return "", false
	}
	out, begin := s.out, s.at
	if out == nil {
		end := s.plain()
		if end < len(s.text) && s.text[end] == '"' {
			s.at = end + 1
			return s.text[begin:end], true
		}
		out = &strings.Builder{}
	}
	from := out.Len()
	for {
		end := s.plain()
		if end == len(s.text) || s.text[end] < ' ' {
			return "", false
		}
		_, _ = out.WriteString(s.text[s.at:end])
		s.at = end + 1
		if s.text[end] == '"' {
			return out.String()[from:], true
		}
		if !s.escape(out) {
			return "", false
		}
	}
}

// plain returns where what stands for itself ends.
func (s *scanner) plain() int {
	for i := s.at; i < len(s.text); i++ {
		if c := s.text[i]; c == '"' || c == '\\' || c < ' ' {
			return i
		}
	}
	return len(s.text)
}

// escaped characters, but for \u.
var unescaped = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape takes what follows a backslash.
func (s *scanner) escape(out *strings.Builder) bool {
	if s.at == len(s.text) {
		return false
	}
	c := s.text[s.at]
	s.at++
	if c != 'u' {
		_ = out.WriteByte(unescaped[c])
		return unescaped[c] != 0
	}
	r, ok := s.unit()
	if ok && utf16.IsSurrogate(r) {
		ok = strings.HasPrefix(s.text[s.at:], `\u`)
		if ok {
			s.at += 2
			var low rune
			low, ok = s.unit()
			r = utf16.DecodeRune(r, low)
			ok = ok && r != utf8.RuneError
		}
	}
	_, _ = out.WriteRune(r)
	return ok
}

// unit takes the four digits of a code unit.
func (s *scanner) unit() (rune, bool) {
	if len(s.text)-s.at < 4 {
		return 0, false
	}
	var r rune
	for _, c := range []byte(s.text[s.at : s.at+4]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	s.at += 4
	return r, true
}
