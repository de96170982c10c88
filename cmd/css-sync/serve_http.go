package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/api"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/daemon"
	"github.com/qserv/css-etcd/internal/kv"
)

const serveHTTPHelp = `It answers programs over HTTP at --listen-http, of this machine only unless it is told otherwise: the catalogue and its changes, /livez,
/readyz and /metrics; docs/HTTP.md is the manual. Where the default is taken, as by another daemon on the machine, it says so and goes on without. Reading takes no token on this machine, and with --http-client-ca, which lets in only
who has a certificate. Writing takes a token of --http-token-file, and so does reading elsewhere. The file has one on each line, as TOKEN or
NAME TOKEN; the name stands in drops that its bearer began.`

// serveHTTPFlags say where and how the daemon answers over HTTP.
type serveHTTPFlags struct {
	listen              string
	cert, key, clientCA string
	tokens              string
	hosts               []string
	insecure            bool
}

const (
	defaultHTTP = "127.0.0.1:2382"
	httpOff     = "off"
	shortest    = 16 // characters of a token
)

func (f *serveHTTPFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen-http", defaultHTTP,
		"where to answer over HTTP: host:port, unix:///path, or off")
	flags.StringVar(&f.cert, "http-cert", "", "file with the certificate of HTTP, and those that it rests on")
	flags.StringVar(&f.key, "http-key", "", "file with the key of that certificate")
	flags.StringVar(&f.clientCA, "http-client-ca", "",
		"file with the certificates of the authorities that clients over HTTP must have theirs from")
	flags.StringVar(&f.tokens, "http-token-file", "", "file with the tokens of those who may write over HTTP, one a line")
	flags.StringSliceVar(&f.hosts, "http-host", nil,
		"name under which clients over HTTP without TLS may reach this daemon")
	flags.BoolVar(&f.insecure, "http-insecure", false,
		"answer other machines without TLS; tokens can then be read on the way")
	cli.AllowEnvironment(flags, []string{"listen-http", "http-cert", "http-key", "http-client-ca", "http-token-file",
		"http-host"}, cli.OwnPrefix)
}

// config checks the flags, and reads the files that they name.
func (f *serveHTTPFlags) config(cmd *cobra.Command) (daemon.HTTP, error) {
	const listen = "listen-http"
	config := daemon.HTTP{Flag: cli.Named(cmd.Flags(), listen), Unsaid: cli.Source(cmd.Flags(), listen) == ""}
	if f.listen == httpOff {
		for _, name := range []string{"http-cert", "http-key", "http-client-ca", "http-token-file", "http-host"} {
			if cli.Source(cmd.Flags(), name) == "--"+name {
				return config, cli.InvalidUse(cmd, "--%s is for HTTP, which %s turns off", name, config.Flag)
			}
		}
		return config, nil
	}
	here, err := isHere(f.listen)
	if err != nil {
		return config, cli.InvalidUse(cmd, "%s: %w", config.Flag, err)
	}
	if config.TLS, err = f.tls(); err != nil {
		return config, cli.InvalidUse(cmd, "%w", err)
	}
	if !here && config.TLS == nil && !f.insecure {
		return config, cli.InvalidUse(cmd, "%s %s answers other machines, and without TLS: give --http-cert and --http-key, "+
			"or --http-insecure", config.Flag, f.listen)
	}
	config.Listen = f.listen
	config.Access = api.Access{
		AnyHost:    config.TLS != nil || strings.HasPrefix(f.listen, "unix://"),
		TokenReads: !here && f.clientCA == "",
	}
	for _, host := range f.hosts {
		config.Access.Hosts = append(config.Access.Hosts, strings.ToLower(host))
	}
	if f.tokens != "" {
		text, err := os.ReadFile(f.tokens)
		if err == nil {
			config.Access.Tokens, err = parseTokens(string(text))
		}
		if err != nil {
			return config, cli.InvalidUse(cmd, "--http-token-file: %w", err)
		}
	}
	return config, nil
}

// isHere reports whether only this machine can reach an address to listen at.
func isHere(listen string) (bool, error) {
	if path, ok := strings.CutPrefix(listen, "unix://"); ok {
		if !strings.HasPrefix(path, "/") {
			return false, fmt.Errorf("%q: a socket is unix:// and a path that begins with a slash", listen)
		}
		return true, nil
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false, fmt.Errorf("%q is none of host:port, unix:///path and off", listen)
	}
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback(), nil
}

// tls returns nil for HTTP without TLS.
func (f *serveHTTPFlags) tls() (*tls.Config, error) {
	if (f.cert == "") != (f.key == "") {
		return nil, fmt.Errorf("--http-cert and --http-key belong together")
	}
	if f.cert == "" && f.clientCA != "" {
		return nil, fmt.Errorf("--http-client-ca is for TLS, which takes --http-cert and --http-key")
	}
	if f.cert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, fmt.Errorf("--http-cert: %w", err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair},
		NextProtos: []string{"h2", "http/1.1"}}
	if f.clientCA == "" {
		return config, nil
	}
	text, err := os.ReadFile(f.clientCA)
	if err != nil {
		return nil, fmt.Errorf("--http-client-ca: %w", err)
	}
	config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !config.ClientCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--http-client-ca: there is no certificate in %s", f.clientCA)
	}
	return config, nil
}

// isVisible reports whether a text can be sent in a header as it is.
func isVisible(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' })
}

// parseTokens reads a token from each line, with or without the name of its bearer before it. No error shows one.
func parseTokens(text string) (api.Tokens, error) {
	var tokens api.Tokens
	number, lines := 0, map[[sha256.Size]byte]int{}
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		number++
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		secret := words[len(words)-1]
		switch {
		case len(words) > 2:
			return nil, fmt.Errorf("line %d: a line is TOKEN, or NAME TOKEN", number)
		case len(secret) < shortest:
			return nil, fmt.Errorf("line %d: the token has less than %d characters; `openssl rand -hex 32` makes one", number,
				shortest)
		case !isVisible(secret) || strings.HasPrefix(secret, "#"):
			return nil, fmt.Errorf("line %d: the token must be of printable ASCII and not begin with #; `openssl rand -hex 32` "+
				"makes one", number)
		}
		t := api.Token{Hash: sha256.Sum256([]byte(secret))}
		if before, ok := lines[t.Hash]; ok {
			return nil, fmt.Errorf("line %d: the token is that of line %d: nobody could tell who writes", number, before)
		}
		lines[t.Hash] = number
		if len(words) == 2 {
			t.Name = words[0]
			if err := kv.CheckAuthor(t.Name); err != nil {
				return nil, fmt.Errorf("line %d: the name: %w", number, err)
			}
		}
		tokens = append(tokens, t)
	}
	if len(tokens) == 0 {
		return nil, fmt.Errorf("there is no token in the file")
	}
	return tokens, nil
}
