package api

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Access says who may do what. The zero Access lets everybody read, under a name of this machine only, and nobody
// write.
type Access struct {
	Tokens     Tokens
	TokenReads bool // reading takes a token, too
	// AnyHost lets requests come under any name: where TLS proves the name, or a socket has none. Elsewhere a web page
	// could have its own name lead to this address, and act in the place of the browser's user.
	AnyHost bool
	Hosts   []string // names under which requests come, beside addresses and localhost
	NoWrite string   // what to do where nothing may be written; "": to name a file of tokens
}

// Token is a secret that lets its bearer write.
type Token struct {
	Name string // of the bearer, for those who look at what was done
	Hash [sha256.Size]byte
}

// Tokens are those that count.
type Tokens []Token

// bearer returns whose token it is. It takes the same time for each wrong token.
func (t Tokens) bearer(secret string) (name string, ok bool) {
	hash := sha256.Sum256([]byte(secret))
	for _, one := range t {
		if subtle.ConstantTimeCompare(one.Hash[:], hash[:]) == 1 {
			name, ok = one.Name, true
		}
	}
	return name, ok
}

// crossOrigin finds what a web page of somewhere else had a browser send.
var crossOrigin = http.NewCrossOriginProtection()

// admit refuses what a browser sends for a page of somewhere else.
func (a Access) admit(r *http.Request) error {
	if !a.AnyHost && !isLocalName(r.Host) && !slices.Contains(a.Hosts, hostOf(r.Host)) {
		return refuse(http.StatusForbidden, "foreign_host", "the request is for %.200q, which is no name of this server",
			r.Host).hinted("use its address, or give css-sync serve --http-host NAME")
	}
	if err := crossOrigin.Check(r); err != nil {
		return refuse(http.StatusForbidden, "foreign_origin", "a web page of another origin may not write here")
	}
	return nil
}

// isLocalName reports whether nobody else can have made the name that a request came under: an address, or localhost.
func isLocalName(host string) bool {
	name := hostOf(host)
	_, err := netip.ParseAddr(name)
	return err == nil || name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// hostOf returns the name of a Host header, without the port.
func hostOf(host string) string {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	return strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]"))
}

// permit refuses a request that its bearer has no right to. With its answer to one without a token it says that one is
// wanted.
func (a Access) permit(w http.ResponseWriter, r *http.Request, n need) error {
	_, err := a.bearer(r)
	switch {
	case n == nothing, n == reading && !a.TokenReads:
		return nil
	case len(a.Tokens) == 0 && n == writing:
		return refuse(http.StatusForbidden, "writes_disabled", "this daemon takes no writes over HTTP").
			hinted("%s", cmp.Or(a.NoWrite, "css-sync serve --http-token-file FILE names the tokens of those who may write"))
	case len(a.Tokens) == 0:
		return refuse(http.StatusForbidden, "reads_disabled",
			"this daemon takes no requests from other machines without a token").
			hinted("css-sync serve --http-token-file FILE names the tokens of those who may read and write")
	case err != nil:
		w.Header().Set("Www-Authenticate", "Bearer")
		return err
	}
	return nil
}

// right is the form of what the bearer of a request may do.
type right struct {
	Reads  bool    `json:"reads"`
	Writes bool    `json:"writes"`
	Token  string  `json:"token"`  // missing, wrong or accepted
	Bearer *string `json:"bearer"` // null: the token has no name, or is not accepted
}

// told says what the bearer of a request may do.
func (a Access) told(r *http.Request) right {
	name, err := a.bearer(r)
	switch {
	case r.Header.Get("Authorization") == "":
		return right{Reads: !a.TokenReads, Token: "missing"}
	case err != nil:
		return right{Reads: !a.TokenReads, Token: "wrong"}
	}
	is := right{Reads: true, Writes: true, Token: "accepted"}
	if name != "" {
		is.Bearer = &name
	}
	return is
}

// bearer returns whose token a request carries.
func (a Access) bearer(r *http.Request) (string, error) {
	scheme, secret, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", refuse(http.StatusUnauthorized, "token_missing", "the request has no token").
			hinted("send Authorization: Bearer TOKEN")
	}
	name, ok := a.Tokens.bearer(strings.TrimSpace(secret))
	if !ok {
		return "", refuse(http.StatusUnauthorized, "token_wrong", "the token is none of those that this daemon takes")
	}
	return name, nil
}
