package upstream

import "fmt"

// Written returns operations in the form in which the css module sends its own, written for tests: a catalogue of a
// director, a child with chunks, and a node, which is changed and dropped again. They begin on an empty table, and all
// together are one history. Their names and the recordings' differ.
func Written() []Operation {
	const db, table, child = "/DBS/river", "/DBS/river/TABLES/Stone", "/DBS/river/TABLES/Grain"
	chunk := child + "/CHUNKS/11"
	return []Operation{
		{"begin", transaction(
			"INSERT INTO kvData (kvKey, kvVal) VALUES ('', '')",
			put("", "/css_meta", ""), put("/css_meta", "/css_meta/version", "1"), put("", "/DBS", ""), put("", "/NODES", ""))},
		{"make a node", transaction(put("/NODES", "/NODES/ferry-1", "ACTIVE"),
			put("/NODES/ferry-1", "/NODES/ferry-1/.packed.json", `{\"host\":\"10.1.0.1\",\"port\":\"25000\",\"type\":\"worker\"} `))},
		{"make a database", transaction(put("/DBS", db, ""),
			put(db, db+"/.packed.json", `{\"releaseStatus\":\"PRIVATE\",\"storageClass\":\"L2\"} `), set(db, "READY"))},
		{"make a table", transaction(put(db, db+"/TABLES", ""), put(db+"/TABLES", table, "DO_NOT_USE"),
			put(table, table+"/schema", "(id INT, name VARCHAR(20) DEFAULT \\'\\')"))},
		{"let it be used", transaction(set(table, "READY"))},
		{"make a table with a chunk", append(
			transaction(put(db+"/TABLES", child, "DO_NOT_USE"), put(child, child+"/schema", "(id INT)")),
			transaction(put(child, child+"/CHUNKS", ""), put(child+"/CHUNKS", chunk, ""), put(chunk, chunk+"/REPLICAS", ""),
				put(chunk+"/REPLICAS", chunk+"/REPLICAS/0000000001", ""), set(child, "READY"))...)},
		{"change one", transaction(set(table+"/schema", "(id INT, name VARCHAR(20), mass DOUBLE)"))},
		{"think again", []string{"START TRANSACTION", set(table, "DO_NOT_USE"), "ROLLBACK"}},
		{"drop a table", transaction(drop(chunk+"/REPLICAS/0000000001"), drop(chunk+"/REPLICAS"), drop(chunk),
			drop(child+"/CHUNKS"), drop(child+"/schema"), drop(child))},
		{"drop the database", transaction(drop(table+"/schema"), drop(table), drop(db+"/TABLES"), drop(db+"/.packed.json"),
			drop(db))},
		{"make it again", transaction(put("/DBS", db, "READY"), put(db, db+"/TABLES", ""),
			put(db+"/TABLES", table, "READY"))},
	}
}

func transaction(statements ...string) []string {
	return append(append([]string{"START TRANSACTION"}, statements...), "COMMIT")
}

func put(above, key, value string) string {
	return fmt.Sprintf("INSERT INTO kvData (kvKey, kvVal, parentKvId) SELECT '%s', '%s', kvId FROM kvData "+
		"WHERE kvKey = '%s'", key, value, above)
}

func set(key, value string) string {
	return fmt.Sprintf("UPDATE kvData SET kvVal = '%s' WHERE kvKey = '%s'", value, key)
}

func drop(key string) string { return fmt.Sprintf("DELETE FROM kvData WHERE kvKey = '%s'", key) }
