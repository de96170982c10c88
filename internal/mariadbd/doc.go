// Package mariadbd runs a private MariaDB server: in a directory of its own,
// reachable through a unix socket of its own, untouched by the configuration
// files of the machine, and gone with the process that started it. Tests, the
// demo and the benchmark use it; nothing in it is meant for keeping data.
//
// # Files
//
// Everything is in one directory: data/ (the data directory), tmp/,
// mariadbd.log, mariadbd.pid and mariadbd.sock. Where the directory's name is
// too long for a unix socket the socket alone lives in a short temporary
// directory.
//
// # Accounts
//
// The account is root without a password. The directory is readable by its
// owner only; a server with a TCP port listens on 127.0.0.1 only, yet anybody
// who has an account on the machine can then connect.
//
// # Errors
//
// [ErrNotInstalled] when the programs are missing, [ErrNotRunning] from
// [Server.Kill], [Server.Pause] and [Server.Resume] on a server that is down.
// An error from a start that failed ends with the server's own last messages.
//
// # Concurrency
//
// All methods may be called from several goroutines.
package mariadbd
