package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/parser"
)

// request asks about one package.
type request struct {
	ID    string `json:"id"`
	Files []file `json:"files"`
	// ParseOnly asks for well-formedness only.
	ParseOnly bool `json:"parseOnly"`
	// Format asks for the files in their usual layout, and for nothing else.
	Format bool `json:"format"`
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
			var answer any
			if r.Format {
				answer = layOut(r.Files)
			} else {
				answer = evaluateArchive(r.ID, r.Files, !r.ParseOnly, false)
			}
			if err := encode(out, answer); err != nil {
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

// layOut gives the files' texts as the reference lays them out; null for one that it cannot read.
func layOut(files []file) []*string {
	texts := make([]*string, len(files))
	for i, f := range files {
		tree, err := parser.ParseFile(f.Name, f.Data, parser.ParseComments)
		if err != nil {
			continue
		}
		text, err := format.Node(tree)
		if err != nil {
			continue
		}
		laidOut := string(text)
		texts[i] = &laidOut
	}
	return texts
}
