package cli

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/qserv/css-etcd/cssetcd"
)

// fileFlags say that the catalogue is on a file instead of etcd.
type fileFlags struct {
	url   string
	Flags *pflag.FlagSet
}

func (f *fileFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.url, "css", "", "work on the catalogue in this dump file instead of etcd: file:///path.json")
	AllowEnvironment(flags, []string{"css"}, OwnPrefix)
	Alternatives(flags, "css", "endpoints")
	f.Flags = flags
}

// Path returns "" when the catalogue is in etcd.
func (f *fileFlags) Path() (string, error) {
	etcd := Source(f.Flags, "endpoints")
	var err error
	path, ok := cssetcd.FilePath(f.url)
	switch {
	case f.Flags.Changed("css") && f.url == "": // as of a variable that is not set: etcd is not what was meant
		err = errors.New("--css is empty; it takes file:///path.json, and without it the catalogue in etcd is worked on")
	case f.url == "":
		return "", nil
	case etcd != "":
		err = fmt.Errorf("%s names a file and %s an etcd; give one of them", Source(f.Flags, "css"), etcd)
	case !ok:
		err = fmt.Errorf("%s %q is not of the form file:///path.json", Source(f.Flags, "css"), f.url)
	case f.Flags.Changed("prefix"):
		err = fmt.Errorf("--prefix is for etcd; the file that %s names holds one catalogue", Source(f.Flags, "css"))
	default:
		return path, nil
	}
	return "", &usageError{err: err}
}

// OnlyEtcd marks the commands that need an etcd: a file cannot be followed, nor be mirrored.
var OnlyEtcd = map[string]string{"css-sync/only-etcd": "yes"}

// refuseFile refuses --css for a command that needs an etcd.
func (p *Program) refuseFile(cmd *cobra.Command) error {
	if _, ok := cmd.Annotations["css-sync/only-etcd"]; !ok {
		return nil
	}
	if path, err := p.File.Path(); path == "" || err != nil {
		return err
	}
	return InvalidUse(cmd, "it works on etcd only, and %s says that the catalogue is on a file",
		Source(p.File.Flags, "css"))
}

// OpenFile opens the CSS on a file. Writers are alone on it.
func (p *Program) OpenFile(path string, opts ...cssetcd.Option) (*Catalogue, error) {
	client, err := cssetcd.OpenFile(path, append(opts, cssetcd.WithLogger(p.Log))...)
	var e *fs.PathError
	switch {
	case errors.As(err, &e) && e.Path == path && errors.Is(e, fs.ErrNotExist):
		return nil, Hinted(inputError{e}, "the first `css-sync db create` or `css-sync restore` makes it")
	case errors.As(err, &e):
		return nil, inputError{notTemporary(e, path)}
	case err != nil:
		return nil, err
	}
	return &Catalogue{Client: client}, nil
}
