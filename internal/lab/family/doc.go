// Package family makes catalogues as that of a large survey, of any size: databases of one family, whose tables have
// the same names and schemas, and their chunks. They are written past the checks of css-etcd, which makes it quick.
package family
