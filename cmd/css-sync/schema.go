package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
)

// schemaFlags give the schema of a table, in words or in a file.
type schemaFlags struct{ text, file string }

func (s *schemaFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.text, "schema", "",
		"what stands between CREATE TABLE name and the semicolon, with its parentheses")
	cmd.Flags().StringVar(&s.file, "schema-file", "", "file that holds the schema, - for standard input")
}

func (s *schemaFlags) read(cmd *cobra.Command, stdin io.Reader) (string, error) {
	text := s.text
	if (s.text == "") == (s.file == "") {
		return "", cli.InvalidUse(cmd, "give the schema with either --schema or --schema-file")
	}
	if s.file != "" {
		data, err := cli.ReadFile(cmd.Context(), s.file, stdin)
		if err != nil {
			return "", err
		}
		text = string(data)
	}
	text = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), ";"))
	if !strings.HasPrefix(text, "(") {
		return "", cli.BadInput("the schema begins with %.20q and has to begin with a parenthesis: "+
			"it is what stands between CREATE TABLE name and the semicolon", text)
	}
	return text, nil
}
