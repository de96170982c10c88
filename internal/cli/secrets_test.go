package cli

import (
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
)

func TestMasked(t *testing.T) {
	tests := map[string]struct{ what, text, want string }{
		"no secret":                  {"", "s", "s"},
		"a password":                 {secretWhole, "s", "***"},
		"no password":                {secretWhole, "", ""},
		"a name":                     {secretColon, "u", "u"},
		"a name and a password":      {secretColon, "u:s:s", "u:***"},
		"an address":                 {secretAuthority, "h:1", "h:1"},
		"an address with a password": {secretAuthority, "http://u:s@h:1", "***@h:1"},
		"a socket":                   {secretAuthority, "unix:@a", "unix:@a"},
		"a DSN":                      {secretDSN, "u:s@tcp(h:1)/db?timeout=1s", "u:***@tcp(h:1)/db?timeout=1s"},
		"odd characters":             {secretDSN, "u:s:@/s@tcp(h:1)/db", "u:***@tcp(h:1)/db"},
		"a socket's path":            {secretDSN, "u:s@unix(/a/b.sock)/", "u:***@unix(/a/b.sock)/"},
		"without a password":         {secretDSN, "u@tcp(h:1)/db", "u@tcp(h:1)/db"},
		"without a user":             {secretDSN, "tcp(h:1)/db", "tcp(h:1)/db"},
		"a URL":                      {secretDSN, "mysql://u:s%40@h/db", "mysql://u:***@h/db"},
		"a URL without a path":       {secretDSN, "mysql://u:s@h", "mysql://u:***@h"},
		"a URL without a password":   {secretDSN, "mysql://u@h:1/db", "mysql://u@h:1/db"},
		"what is no DSN":             {secretDSN, "u:s", "***"},
		"no DSN at all":              {secretDSN, "", ""},
		"a password of two lines":    {secretDSN, "u:s\ns@/", "u:***@/"},
		"several":                    {secretDSNs, "u:s@/\n\nu@/x\ns", "u:***@/\n\nu@/x\n***"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.want, maskedText(test.what, test.text)) })
	}
}

// FuzzMasked: whatever password an address has, it is not in what is shown.
func FuzzMasked(f *testing.F) {
	for _, password := range []string{"s", "a@b", "a/b", "a:b", "tcp(", ")/", "@tcp(h)/", "%40", "?x=y"} {
		f.Add("user", password, "h:1", "db", false)
		f.Add("user", password, "h:1", "db", true)
	}
	f.Add("0", "a\n", "h:1", "db", false)
	f.Fuzz(func(t *testing.T, user, password, host, db string, url bool) {
		const marker = "PASSWORD"
		password += marker
		if strings.Contains(user+host+db, marker) {
			return
		}
		dsn := (&mysql.Config{User: user, Passwd: password, Net: "tcp", Addr: host, DBName: db, AllowNativePasswords: true,
			CheckConnLiveness: true}).FormatDSN()
		if url {
			dsn = "mysql://" + user + ":" + password + "@" + host + "/" + db
		}
		config, err := ParseDSN(strings.TrimSpace(dsn))
		if err == nil && !strings.Contains(config.Passwd, marker) {
			return // the driver takes it for something else, and it is no secret of the driver's
		}
		assert.NotContains(t, maskedText(secretDSN, dsn), marker)
	})
}
