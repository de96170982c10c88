// Package sqldrop removes dropped tables from MySQL servers, the workers of a Qserv, and knows of the queries of C++
// czars.
//
// [Dropper] is a coordinator.Dropper. [Tracker] is a coordinator.QueryTracker on QMeta; it has nothing to do with the
// Dropper and needs another server.
//
// # What is removed
//
// For a table t of a database d, in the schema d of every server: the table t and, where its ChunkLevel is 1 or 2, the
// tables t_<digits> and tFullOverlap_<digits>, compared letter by letter. So neither Object_backup nor Object2_1 goes
// with Object. That these names are chunks of t is Qserv's convention, and nothing in MySQL tells a chunk from a table
// that has such a name by itself. So a table that the catalogue holds is never touched, be it called Object_5: the
// catalogue is asked by coordinator.Job.Held after the tables of the server were listed, and right before they are
// taken away; where a Job has none, its Keep counts. For ChunkLevel 0 only t is removed. A view of such a name is
// removed, and not what it shows; a view elsewhere that shows a removed table is left, broken.
//
// The schema itself stays, for a whole database too: it may hold tables that the catalogue never knew. Dropping it is
// up to the operator.
//
// # Once for each incarnation
//
// An attempt can be paused for any time, between any two statements, while another one finishes, the name becomes free
// and a new table gets it. Going on, it must not touch the new table. So tables are never dropped under their own
// names. One statement,
//
//	RENAME TABLE css_drops.css_fence_<id> TO css_drops.css_spent_<id>,
//	             d.t TO d.css_trash_<id>_n0, d.t_1 TO d.css_trash_<id>_n1, ...
//
// takes them away, and then only names that begin with css_trash_<id> are dropped. The statement succeeds once for an
// id, because css_spent_<id> exists from then on, which nothing removes: a later one fails as a whole and renames
// nothing, whatever tables it names. An attempt that finds css_spent_<id> only drops what trash is left. Where there is
// nothing to rename the statement is executed all the same, since tables may come later. The first name pair is the one
// that fails, so that a late statement does not even begin with the others.
//
// The id is the incarnation of the table and a hash of the names of database and table and of etcd's history, 16
// hexadecimal digits each: tables that were created in one transaction have one incarnation, and after a restore of
// etcd from a backup revisions are given out again, which css-sync history-reset makes another history. All names so
// made have at most 64 characters, which is MySQL's limit, also with the largest number of tables. The comment of the
// table css_spent_<id> says in words what was dropped.
//
// The markers live in the schema css_drops, which is made where it is missing, and not in the schema of the data. They
// have to outlive that one: it may not exist when an attempt begins and exist when it goes on, and an operator may drop
// and make it anew.
//
// Each dropped table so leaves one empty table in css_drops on each server, of about 68 KB: 64 KB of InnoDB and the
// definition. [Dropper.Clean], which css-sync drops clean calls, removes those that nobody can need any more. It lists
// the markers, then asks which drops have not ended, and then looks for connections of attempts, which have css_drops
// as their schema. An attempt asks coordinator.Job.Held, which knows whether its drop has ended, when it has its
// connection and before it takes anything away; so one whose drop has ended either has a connection that is seen, or
// gives up. A marker stays where its drop has not ended, where any attempt is connected, and for as long as a backup of
// etcd may be restored that has the drop.
//
// # Foreign keys
//
// Those between tables that are removed are no obstacle: a table that was taken away loses its own before it is
// dropped, where they are in the way. A key of a table that stays is not broken: the table it refers to is taken away,
// the key follows it to its new name, and Drop fails with [ErrReferenced] until that key or its table is dropped.
// Checks of foreign keys are never switched off.
//
// # Atomicity
//
// On each server a table and its chunks go from their names at once, or stay. Between servers, and between tables of a
// database, there is no atomicity: what fails on one server, or of one table, keeps no other from being tried; Drop
// returns an error and is called again. That rests on RENAME TABLE being atomic when the server dies, too: MariaDB from
// 10.6 on, MySQL from 8.0 on with InnoDB. Older servers are refused; with MySQL and tables of another engine a crash
// within the statement can leave some of the tables under their names, where nothing removes them any more and an
// operator has to.
//
// # Limits
//
// The statement has to fit into max_allowed_packet. A pair of names takes about 100 bytes, at most 270 with names of 64
// plain characters: the usual 16 MiB hold 160,000 tables, at least 60,000, which is a table with 30,000 chunks and
// their overlaps on one server. It is checked before and the error says what to set. The server takes about a
// millisecond for each table, and is given ten minutes where the configuration has no ReadTimeout of its own.
//
// The statement waits for queries that use one of the tables, and queries that come later wait for it, so it gives up
// after a time; see [Config].LockWait.
//
// Servers with a lower_case_table_names other than 0 are refused: there the names of two tables of the catalogue could
// be one.
//
// Chunks that a loader makes after the tables were taken away stay: whatever loads a table has to have stopped.
//
// # Privileges
//
// For each database, and for css_drops:
//
//	GRANT CREATE, DROP, ALTER, INSERT ON `LSST`.* TO 'css'@'%'
//
// Grants on single tables do not do: with them a user sees some of the tables only, and would take the rest for gone.
// That is checked before. A Tracker needs SELECT on QInfo and QTable.
//
// # Errors
//
// [ErrUnavailable], [ErrUnauthorized], [ErrBusy], [ErrReferenced], [ErrPacket] and [ErrServer] are told apart with
// [errors.Is]. Errors of several servers and tables are joined, each names its server and the first 20 their tables,
// none holds a password. A server that does not greet within ten seconds is given up; coordinator.Job.Tell is told what
// failed, and what a server has not answered for five seconds, while the others are at work.
//
// # Concurrency
//
// All methods may be called from several goroutines, and several Droppers may work on the same servers.
package sqldrop
