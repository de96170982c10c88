package cssetcd

// Status is the text that a database's or table's key holds. Any text is a status; those below have a meaning.
type Status string

// The statuses of upstream. The last three are followed by a colon and a text.
const (
	StatusReady         Status = "READY"
	StatusIgnore        Status = "DO_NOT_USE"
	statusPendingCreate        = "PENDING_CREATE:"
	statusPendingDrop          = "PENDING_DROP:"
	statusFailed               = "FAILED:"
)
