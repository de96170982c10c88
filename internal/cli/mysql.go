package cli

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/spf13/pflag"

	"github.com/qserv/css-etcd/internal/qservcnf"
	"github.com/qserv/css-etcd/internal/settings"
)

// mysqlFlags say where the table kvData is: in one of three ways.
type mysqlFlags struct {
	dsn                 []string
	dsnFile, czarConfig string
	flags               *pflag.FlagSet
}

var mysqlFlagNames = []string{"mysql-dsn", "mysql-dsn-file", "czar-config"}

const DefaultDatabase = "qservCssData"

func (m *mysqlFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&m.dsn, "mysql-dsn", nil, "where the MySQL mirror is, as `string` user:password@tcp(host:port)/"+
		DefaultDatabase+" or mysql://user:password@host:port/"+DefaultDatabase+"; once for each server that serve mirrors to")
	flags.StringVar(&m.dsnFile, "mysql-dsn-file", "",
		"file that holds what --mysql-dsn would be given, a line for each server")
	flags.StringVar(&m.czarConfig, "czar-config", "", "qserv-czar.cnf, whose section [css] says where the MySQL mirror is")
	AllowEnvironment(flags, mysqlFlagNames, OwnPrefix)
	Alternatives(flags, mysqlFlagNames...)
	NameFiles(flags, "mysql-dsn-file", "czar-config")
	HideDSN(flags, "mysql-dsn")
	m.flags = flags
}

// Target returns nil when no flag says where MySQL is, and fails when several servers are given.
func (m *mysqlFlags) Target(dialTimeout time.Duration) (*mysql.Config, error) {
	all, err := m.Targets(dialTimeout)
	switch {
	case err != nil || len(all) == 0:
		return nil, err
	case len(all) > 1:
		return nil, &usageError{err: fmt.Errorf("%d MySQL servers are given, and this command takes one", len(all))}
	}
	return all[0], nil
}

// Targets returns the MySQL servers in the order in which they are given; none when no flag says where MySQL is.
func (m *mysqlFlags) Targets(dialTimeout time.Duration) ([]*mysql.Config, error) {
	name, err := m.chosen()
	if name == "" || err != nil {
		return nil, err
	}
	var all []*mysql.Config
	switch name {
	case "mysql-dsn":
		all, err = parseDSNs(m.dsn)
	case "mysql-dsn-file":
		all, err = readDSNs(m.dsnFile)
	case "czar-config":
		all, err = readCzarConfig(m.czarConfig)
	}
	if err != nil {
		return nil, &usageError{err: fmt.Errorf("%s: %w", Source(m.flags, name), err)}
	}
	for _, config := range all {
		config.DBName = cmp.Or(config.DBName, DefaultDatabase)
		config.Timeout = cmp.Or(config.Timeout, dialTimeout)
		config.Logger = &mysql.NopLogger{} // what matters comes back as an error
	}
	return all, nil
}

// chosen returns the name of the one flag that counts; "" when there is none.
func (m *mysqlFlags) chosen() (string, error) {
	name, err := One(m.flags, mysqlFlagNames...)
	if err != nil {
		return "", &usageError{err: err}
	}
	return name, nil
}

// Level returns who says where MySQL is.
func (m *mysqlFlags) Level(all settings.Layer) (highest settings.Level) {
	for _, name := range mysqlFlagNames {
		highest = max(highest, all[name].Level)
	}
	return highest
}

// MustTarget is target for commands that cannot do without.
func (p *Program) MustTarget() (*mysql.Config, error) {
	target, err := p.MySQL.Target(p.Connection.DialTimeout)
	if target == nil && err == nil {
		err = &usageError{err: errors.New("no MySQL server configured: set --mysql-dsn, --mysql-dsn-file or --czar-config")}
	}
	return target, err
}

func readDSNs(file string) ([]*mysql.Config, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parseDSNs(strings.Split(strings.TrimSpace(string(data)), "\n"))
}

func parseDSNs(texts []string) (all []*mysql.Config, err error) {
	for i, text := range texts {
		config, err := ParseDSN(strings.TrimSpace(text))
		if err != nil && len(texts) > 1 {
			err = fmt.Errorf("server %d: %w", i+1, err)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, config)
	}
	return all, nil
}

// ParseDSN reads the driver's form, or a URL as Qserv's own tools take it. Errors never show what may be a password.
func ParseDSN(dsn string) (*mysql.Config, error) {
	if strings.HasPrefix(dsn, "mysql://") {
		return parseURL(dsn)
	}
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, errors.New("it is not of the form user:password@tcp(host:port)/" + DefaultDatabase +
			" nor mysql://user:password@host:port/" + DefaultDatabase)
	}
	return config, nil
}

func parseURL(dsn string) (*mysql.Config, error) {
	rest := strings.TrimPrefix(dsn, "mysql://")
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority = rest[:i]
	}
	// The first of these characters ends the password or the host, so that a piece of the password would be taken for a
	// host.
	if strings.Count(authority, "@") > 1 || strings.Contains(rest[len(authority):], "@") {
		return nil, errors.New("there is an @ too many, or a password with one of @ / ? #: these have to be " +
			"percent-encoded, as %40 %2F %3F %23")
	}
	u, err := url.Parse(dsn)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("it is not a URL of the form mysql://user:password@host:port/" + DefaultDatabase +
			"; special characters in the password have to be percent-encoded, as %XX")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("it has a ? or #, which mean nothing here; in a password they have to be percent-encoded, " +
			"as %3F and %23")
	}
	config := mysql.NewConfig()
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.Net, config.Addr = "tcp", u.Host
	if u.Port() == "" {
		config.Addr = net.JoinHostPort(u.Hostname(), "3306")
	}
	config.DBName = strings.Trim(u.Path, "/")
	return config, nil
}

func readCzarConfig(file string) ([]*mysql.Config, error) {
	css, err := qservcnf.ReadFile(file)
	if err != nil {
		return nil, err
	}
	config := mysql.NewConfig()
	config.User, config.Passwd, config.DBName = css.Username, css.Password, css.Database
	config.Net, config.Addr = css.Address()
	return []*mysql.Config{config}, nil
}
