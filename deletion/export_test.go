package deletion

// Acknowledge is acknowledge, for tests.
var Acknowledge = acknowledge
