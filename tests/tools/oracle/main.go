// Command oracle says what the reference implementation of CUE makes of sources.
//
//	oracle dir                       print where the reference's module lies
//	oracle dump SUITE...             evaluate the archives of the suites; one JSON document
//	oracle stream                    answer one JSON request a line on standard input
//	oracle time DEMAND MILLIS FILE.. print how many microseconds an answer takes inside the process
//
// A suite is a folder of txtar archives inside the reference's module, for example cue/testdata.
// Every value path of an archive is one node: its arc type, kind, error code, closedness, concrete
// leaf and default. The sources themselves are judged, too: whether they parse.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(2)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("usage: oracle dir | dump SUITE... | stream | time DEMAND MILLIS FILE...")
	}
	switch args[0] {
	case "dir":
		dir, err := moduleDir()
		if err != nil {
			return err
		}
		fmt.Println(dir)
		return nil
	case "dump":
		dir, err := moduleDir()
		if err != nil {
			return err
		}
		out := bufio.NewWriter(os.Stdout)
		defer out.Flush()
		return dump(out, dir, args[1:])
	case "stream":
		return stream(os.Stdin, os.Stdout)
	case "time":
		return timing(os.Stdout, args[1:])
	}
	return fmt.Errorf("unknown command %q", args[0])
}

// moduleDir asks the go command, whose checksum database has verified what lies there.
func moduleDir() (string, error) {
	if dir := os.Getenv("PEQUOD_CUE_MODULE"); dir != "" {
		return dir, nil
	}
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "cuelang.org/go")
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go list: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

func encode(out *bufio.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
