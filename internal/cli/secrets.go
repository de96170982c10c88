package cli

import (
	"strings"

	"github.com/spf13/pflag"
)

// What of a setting's text is secret.
const (
	secretWhole     = "whole"
	secretColon     = "after the colon" // name:password
	secretDSN       = "dsn"             // the password of a MySQL server's address
	secretDSNs      = "dsns"            // those of such addresses, one in a line
	secretAuthority = "authority"       // what stands before the @ of an address, where it does not belong
)

// hides marks settings that hold, or may hold, something that is not to be shown.
func hides(flags *pflag.FlagSet, what string, names ...string) {
	annotate(flags, names, secretKey, []string{what})
}

// HideDSN marks settings that say where a MySQL server is.
func HideDSN(flags *pflag.FlagSet, names ...string) { hides(flags, secretDSN, names...) }

// mask is what is shown in place of a secret.
const mask = "***"

// masked returns the texts of a setting without secrets, and whether there are any. Nil is a flag of another program,
// of which nothing is known.
func masked(f *pflag.Flag, texts []string) (shown []string, secret bool) {
	if f == nil {
		return texts, false
	}
	shown = []string{}
	for _, text := range texts {
		plain := text
		if what := f.Annotations[secretKey]; len(what) > 0 {
			plain = maskedText(what[0], text)
		}
		shown, secret = append(shown, plain), secret || plain != text
	}
	return shown, secret
}

func maskedText(what, text string) string {
	switch what {
	case secretWhole:
		if text != "" {
			return mask
		}
	case secretColon:
		if name, _, ok := strings.Cut(text, ":"); ok {
			return name + ":" + mask
		}
	case secretDSN:
		return maskedDSN(text)
	case secretDSNs:
		return maskedLines(text)
	case secretAuthority:
		if i := strings.LastIndex(text, "@"); i >= 0 && !strings.HasPrefix(text, "unix") {
			return mask + text[i:]
		}
	}
	return text
}

func maskedLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = maskedDSN(line)
	}
	return strings.Join(lines, "\n")
}

// maskedDSN masks the password between the first colon and the last @ before the last slash, where the driver, too,
// looks for it. What is not an address is masked as a whole: any part of it may be the password.
func maskedDSN(dsn string) string {
	dsn = strings.TrimSpace(dsn)
	config, err := ParseDSN(dsn)
	switch {
	case dsn == "":
		return dsn
	case err != nil:
		return mask
	case config.Passwd == "":
		return dsn
	}
	rest, isURL := strings.CutPrefix(dsn, "mysql://")
	slash := strings.LastIndex(rest, "/")
	if slash < 0 {
		slash = len(rest)
	}
	at := strings.LastIndex(rest[:slash], "@")
	colon := strings.Index(rest[:max(at, 0)], ":")
	if at < 0 || colon < 0 {
		return mask
	}
	shown := rest[:colon+1] + mask + rest[at:]
	if isURL {
		shown = "mysql://" + shown
	}
	return shown
}
