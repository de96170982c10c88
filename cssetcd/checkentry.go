package cssetcd

// CheckEntry says why a key cannot be written with a value, whatever else the catalogue holds: one that is no CSS key,
// a name that breaks the rules of names, what kvData cannot hold, or /css_meta. The error is [ErrInvalid] or
// [ErrInvalidName]. [Raw.Put] refuses the same.
func CheckEntry(key, value string) error {
	err := checkRows([]row{{key, value}})
	if err == nil {
		err = checkRaw(key)
	}
	if err == nil {
		err = checkPacked(key, value)
	}
	return err
}
