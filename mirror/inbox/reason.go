package inbox

// explanations say what each reason means to who looks at a conflict.
var explanations = map[Reason]string{
	Changed: "etcd held another value than kvData showed where it was written: what was committed in etcd is not undone " +
		"by who had not seen it",
	Follows:     "it was written upon another change, or below one, that was not taken; apply that one first",
	NoParent:    "what lies above the key is gone in etcd, or would go",
	OtherLife:   "the database, table or node was dropped and made again in etcd, and this was meant for the one before",
	KeysBelow:   "it removes what holds keys that were made in etcd and that its writer had not seen",
	Spelling:    "etcd has a name that differs in upper and lower case only",
	DropPending: "the name is still being dropped; it is free when the drop has ended",
	Invalid:     "no catalogue holds such a key or value",
	Protected:   "the key always stays as it is",
	SetBack:     "MySQL or etcd was set back to an older state, and nobody knows what it was written on",
	Queried:     "queries may have been running on it: in etcd it became a drop, which waits for them",
}

// Explanation says what the reason means, as a part of a sentence; "" of a reason that is not known.
func (r Reason) Explanation() string { return explanations[r] }
