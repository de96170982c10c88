package cli

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/kv"
)

// connectionFlags say where etcd is and who asks. They are etcdctl's.
type connectionFlags struct {
	Endpoints                             []string
	cacert, cert, key                     string
	user, password, passwordFile          string
	passwordGiven                         func() bool // whether the password is on the command line
	flags                                 *pflag.FlagSet
	insecureTransport, insecureSkipVerify bool
	DialTimeout, commandTimeout           time.Duration
	Answers                               Answers
	keepAliveTime, keepAliveTimeout       time.Duration
	Prefix                                string
	author                                string
}

func (c *connectionFlags) register(flags *pflag.FlagSet) {
	flags.StringSliceVar(&c.Endpoints, "endpoints", []string{"127.0.0.1:2379"}, "addresses of etcd")
	flags.StringVar(&c.cacert, "cacert", "",
		"file with the certificates of the authorities that etcd's certificate is checked against")
	flags.StringVar(&c.cert, "cert", "", "file with the client's certificate")
	flags.StringVar(&c.key, "key", "", "file with the key of the client's certificate")
	flags.StringVar(&c.user, "user", "", "name[:password] at etcd; the password better apart")
	flags.StringVar(&c.password, "password", "",
		"password at etcd; better in the file that --password-file names, or in CSS_SYNC_PASSWORD or ETCDCTL_PASSWORD")
	flags.StringVar(&c.passwordFile, "password-file", "", "file that holds the password at etcd")
	flags.BoolVar(&c.insecureTransport, "insecure-transport", true, "allow connections without TLS")
	flags.BoolVar(&c.insecureSkipVerify, "insecure-skip-tls-verify", false, "do not check etcd's certificate")
	flags.DurationVar(&c.DialTimeout, "dial-timeout", 2*time.Second, "how long to wait for a connection")
	flags.DurationVar(&c.commandTimeout, "command-timeout", 5*time.Second,
		"how long a short command waits while etcd is silent; 0: as long as it takes")
	flags.DurationVar(&c.keepAliveTime, "keepalive-time", 2*time.Second, "how often a quiet connection is tested")
	flags.DurationVar(&c.keepAliveTimeout, "keepalive-timeout", 6*time.Second,
		"how long to wait for the answer to that test")
	AllowEnvironment(flags, []string{
		"endpoints", "cacert", "cert", "key", "user", "password", "insecure-transport", "insecure-skip-tls-verify",
		"dial-timeout", "command-timeout", "keepalive-time", "keepalive-timeout",
	}, OwnPrefix, EtcdctlPrefix)
	flags.StringVar(&c.Prefix, "prefix", cssetcd.DefaultPrefix, "where in etcd the CSS is")
	flags.StringVar(&c.author, "author", "",
		"who writes, for css-sync log; without it etcd's user, or else USER@HOST")
	AllowEnvironment(flags, []string{"prefix", "author", "password-file"}, OwnPrefix)
	Alternatives(flags, "password", "password-file")
	NameFiles(flags, "cacert", "cert", "key", "password-file")
	hides(flags, secretWhole, "password")
	hides(flags, secretColon, "user")
	hides(flags, secretAuthority, "endpoints")
	c.passwordGiven = func() bool { return flags.Changed("password") || flags.Changed("password-file") }
	c.flags = flags
}

// Config makes the configuration of an etcd client, or says what is wrong with the flags.
func (c *connectionFlags) Config() (clientv3.Config, error) {
	if len(c.Endpoints) == 0 {
		return clientv3.Config{}, errors.New("--endpoints is empty")
	}
	for _, e := range c.Endpoints {
		if strings.Contains(e, "@") && !strings.HasPrefix(e, "unix") { // not shown: it may have a password
			return clientv3.Config{},
				errors.New("--endpoints has an address with an @; user and password belong in --user and CSS_SYNC_PASSWORD")
		}
	}
	if c.DialTimeout <= 0 {
		return clientv3.Config{}, fmt.Errorf("%s is %v and must be above 0", Named(c.flags, "dial-timeout"), c.DialTimeout)
	}
	if c.commandTimeout < 0 {
		return clientv3.Config{}, fmt.Errorf("%s is %v and must be 0 or above", Named(c.flags, "command-timeout"),
			c.commandTimeout)
	}
	if c.author != "" {
		if err := kv.CheckAuthor(c.author); err != nil {
			return clientv3.Config{}, fmt.Errorf("%s: %w", Named(c.flags, "author"), err)
		}
	}
	user, password, err := c.credentials()
	if err != nil {
		return clientv3.Config{}, err
	}
	tlsConfig, err := c.tls()
	if err != nil {
		return clientv3.Config{}, err
	}
	return clientv3.Config{
		Endpoints:            c.Endpoints,
		DialTimeout:          c.DialTimeout,
		DialKeepAliveTime:    c.keepAliveTime,
		DialKeepAliveTimeout: c.keepAliveTimeout,
		TLS:                  tlsConfig,
		Username:             user,
		Password:             password,
		Logger:               zap.NewNop(), // what matters comes back as an error
		DialOptions:          []grpc.DialOption{grpc.WithConnectParams(reconnect), grpc.WithStatsHandler(&c.Answers)},
	}, nil
}

// reconnect looks for a lost etcd every second or so, where gRPC would wait up to two minutes.
var reconnect = grpc.ConnectParams{
	Backoff: backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2,
		MaxDelay: time.Second},
	MinConnectTimeout: 2 * time.Second,
}

// credentials splits name:password, unless the password is given beside it, as etcdctl does. A name without a password
// is a mistake here: etcd would take the connection for one of nobody.
func (c *connectionFlags) credentials() (user, password string, err error) {
	user = c.user
	if password, err = c.readPassword(); err != nil {
		return "", "", err
	}
	if name, pw, ok := strings.Cut(c.user, ":"); ok && !c.passwordGiven() {
		user, password = name, pw
	}
	switch {
	case user == "" && c.user != "":
		return "", "", errors.New("--user has no name before the colon")
	case user != "" && password == "":
		return "", "", fmt.Errorf("there is no password for etcd's user %s: put it into CSS_SYNC_PASSWORD, or a file "+
			"that --password-file names", user)
	case user == "":
		return "", "", nil // a password left in the environment, without a user
	}
	return user, password, nil
}

// readPassword reads the password from its file, if it is in one.
func (c *connectionFlags) readPassword() (string, error) {
	if c.passwordFile == "" {
		return c.password, nil
	}
	if _, err := One(c.flags, "password", "password-file"); err != nil {
		return "", err
	}
	data, err := os.ReadFile(c.passwordFile)
	if err != nil {
		return "", fmt.Errorf("%s: %w", Source(c.flags, "password-file"), err)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

// tls returns nil for a connection without TLS.
func (c *connectionFlags) tls() (*tls.Config, error) {
	if (c.cert == "") != (c.key == "") {
		return nil, errors.New("--cert and --key belong together")
	}
	secure := c.cacert != "" || c.cert != "" || c.insecureSkipVerify || !c.insecureTransport
	for _, e := range c.Endpoints {
		secure = secure || strings.HasPrefix(e, "https://") || strings.HasPrefix(e, "unixs://")
	}
	if !secure {
		return nil, nil
	}
	// The files are read again for each connection, so that a renewed certificate needs no restart.
	cfg, err := transport.TLSInfo{TrustedCAFile: c.cacert, CertFile: c.cert, KeyFile: c.key}.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	cfg.InsecureSkipVerify = c.insecureSkipVerify
	return cfg, nil
}
