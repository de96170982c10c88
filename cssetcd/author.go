package cssetcd

import (
	"fmt"
	"os"
	"os/user"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/kv"
)

// WithAuthor says who writes through the client: each write carries it, for those who ask later who changed what
// (`css-sync log`). It is for people: nobody checks it. It has at most 200 bytes that can be printed, or is refused as
// ErrInvalid. Without it, it is the user of the etcd client, and where that has none USER@HOST of this process.
func WithAuthor(author string) Option {
	return func(c *Client) error {
		if err := kv.CheckAuthor(author); err != nil {
			return fmt.Errorf("WithAuthor: %w", err)
		}
		c.author = author
		return nil
	}
}

// By returns a client of the same catalogue through which somebody else writes, as WithAuthor says. It asks nobody, and
// needs no closing.
func (c *Client) By(author string) (*Client, error) {
	by := *c
	if err := asInvalid(apply(&by, []Option{WithAuthor(author)})); err != nil {
		return nil, &Error{Op: "open", Object: c.prefix, Err: err}
	}
	by.closer = nil
	if by.etcd != nil {
		by.etcd = by.etcd.By(author)
		by.store = by.etcd
	}
	return &by, nil
}

// Author returns who writes through the client.
func (c *Client) Author() string { return c.author }

// usualAuthor returns who writes where nobody was named. It never fails: what is not known is left out.
func usualAuthor(etcd *clientv3.Client) string {
	if kv.CheckAuthor(etcd.Username) == nil {
		return etcd.Username
	}
	name := "uid " + strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	if kv.CheckAuthor(name) != nil {
		return "unknown"
	}
	return name
}
