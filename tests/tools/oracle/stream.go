package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// request asks about one package.
type request struct {
	ID    string `json:"id"`
	Files []file `json:"files"`
	// ParseOnly asks for well-formedness only.
	ParseOnly bool `json:"parseOnly"`
}

// stream answers request after request, for differential tests.
func stream(in io.Reader, to io.Writer) error {
	lines := bufio.NewReaderSize(in, 1<<20)
	out := bufio.NewWriter(to)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var r request
			if err := json.Unmarshal(line, &r); err != nil {
				return fmt.Errorf("request: %w", err)
			}
			if err := encode(out, evaluateArchive(r.ID, r.Files, !r.ParseOnly)); err != nil {
				return err
			}
			if err := out.Flush(); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
