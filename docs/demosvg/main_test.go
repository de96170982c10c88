package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPictureIsThatOfTheRecord: whoever records the demo anew also draws it anew.
func TestPictureIsThatOfTheRecord(t *testing.T) {
	record, err := os.Open("../demo.txt")
	require.NoError(t, err)
	defer record.Close()
	picture, err := os.ReadFile("../demo.svg")
	require.NoError(t, err)
	var drawn bytes.Buffer
	require.NoError(t, draw(record, &drawn))
	assert.Equal(t, string(picture), drawn.String(), "go run ./docs/demosvg <docs/demo.txt >docs/demo.svg")
}
