// Package qservcnf reads from a czar's configuration file, qserv-czar.cnf, where the czar finds the CSS: its section
// [css].
//
// The file is read as Qserv does: a line is a [section], a key = value, or a comment that begins with # or ; and
// everything is trimmed. There is no quoting, and a # inside of a value belongs to it.
package qservcnf

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/go-multierror"

	"github.com/qserv/css-etcd/internal/errlist"
)

// CSS says where the MySQL server with the table kvData is.
type CSS struct {
	Hostname string // "127.0.0.1" when the file does not say
	Port     int    // 0: none
	Username string
	Password string
	Database string // "qservCssData" when the file does not say
	Socket   string // path of a unix socket; when set, hostname and port are not used
}

// ErrInvalid says that the file is not one that a czar with its CSS in MySQL could use.
var ErrInvalid = errors.New("invalid czar configuration")

// What Qserv takes when the file does not say.
const (
	defaultTechnology = "mysql"
	defaultHostname   = "127.0.0.1"
	defaultDatabase   = "qservCssData"
)

// Address returns the network, "unix" or "tcp", and the address of the server. As in Qserv, the socket wins.
func (c CSS) Address() (network, address string) {
	if c.Socket != "" {
		return "unix", c.Socket
	}
	return "tcp", net.JoinHostPort(c.Hostname, strconv.Itoa(c.Port))
}

// ReadFile reads a czar's configuration file. What is wrong with it is reported all together, as [ErrInvalid].
func ReadFile(path string) (CSS, error) {
	f, err := os.Open(path)
	if err != nil {
		return CSS{}, err
	}
	defer f.Close()
	css, err := Read(f)
	if err != nil {
		return CSS{}, fmt.Errorf("%s: %w", path, err)
	}
	return css, nil
}

// Read reads a czar's configuration. See [ReadFile].
func Read(r io.Reader) (CSS, error) {
	values, err := section(r, "css")
	if err != nil {
		return CSS{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	css, err := decode(values)
	if err != nil {
		return CSS{}, fmt.Errorf("%w: section [css]: %w", ErrInvalid, err)
	}
	return css, nil
}

// known are the keys that Qserv reads. It ignores others, so that one that is mistyped is taken for one that is
// missing.
var known = []string{"technology", "hostname", "port", "username", "password", "database", "socket", "file", "data"}

func decode(values map[string]string) (CSS, error) {
	var faults *multierror.Error
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(known, key) {
			faults = multierror.Append(faults, fmt.Errorf("%.64q is no key that Qserv reads; it reads %s", key,
				strings.Join(known[:7], ", ")))
		}
	}
	css := CSS{
		Hostname: orDefault(values["hostname"], defaultHostname),
		Username: values["username"],
		Password: values["password"],
		Database: orDefault(values["database"], defaultDatabase),
		Socket:   values["socket"],
	}
	if t := orDefault(values["technology"], defaultTechnology); t != "mysql" {
		faults = multierror.Append(faults, fmt.Errorf("technology is %q, and only mysql has a table to read", t))
	}
	if text := values["port"]; text != "" {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			faults = multierror.Append(faults, fmt.Errorf("port is %q, which is not a port number", text))
		}
		css.Port = int(port)
	}
	if css.Port == 0 && css.Socket == "" {
		faults = multierror.Append(faults, errors.New("neither port nor socket is set"))
	}
	if err := errlist.Join(faults); err != nil {
		return CSS{}, err
	}
	return css, nil
}

func orDefault(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
