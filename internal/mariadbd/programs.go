package mariadbd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// programs are the absolute paths of the two programs that a server needs.
type programs struct {
	server  string
	install string
}

// Debian keeps daemons out of the PATH of ordinary users.
var extraDirs = []string{"/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/usr/bin", "/usr/local/bin"}

// Installed returns nil when [Start] would find its programs and otherwise an
// error that wraps [ErrNotInstalled] and says what to install.
func Installed() error {
	_, err := find()
	return err
}

func find() (programs, error) {
	var p programs
	var err error
	if p.server, err = lookup("mariadbd", "mysqld"); err != nil {
		return programs{}, err
	}
	if p.install, err = lookup("mariadb-install-db", "mysql_install_db"); err != nil {
		return programs{}, err
	}
	return p, nil
}

func lookup(names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
		for _, dir := range extraDirs {
			path := filepath.Join(dir, name)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("%w: no %s on PATH or in %v; install the package mariadb-server",
		ErrNotInstalled, names[0], extraDirs)
}
