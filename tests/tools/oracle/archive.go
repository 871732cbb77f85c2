package main

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"

	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/load"
)

// file is one file of an archive.
type file struct {
	Name string `json:"name"`
	Data string `json:"data"`
}

// caseResult is everything that is known of an archive; one a line.
type caseResult struct {
	// Case is the archive's path inside the module, without its ending.
	Case    string   `json:"case"`
	Error   string   `json:"error,omitempty"`
	Nodes   []node   `json:"nodes,omitempty"`
	Sources []source `json:"sources,omitempty"`
}

// dump writes one line a case, in the order of their names.
func dump(out *bufio.Writer, module string, suites []string) error {
	for _, suite := range suites {
		var archives []string
		root := filepath.Join(module, filepath.FromSlash(suite))
		err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() && filepath.Ext(name) == ".txtar" {
				archives = append(archives, name)
			}
			return err
		})
		if err != nil {
			return err
		}
		sort.Strings(archives)
		for _, name := range archives {
			rel, err := filepath.Rel(module, name)
			if err != nil {
				return err
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			id := strings.TrimSuffix(filepath.ToSlash(rel), ".txtar")
			result := evaluateArchive(id, split(string(text)), !strings.Contains(id, "testdata/script"), true)
			if err := encode(out, result); err != nil {
				return err
			}
		}
	}
	return nil
}

// archiveRoot is where archives lie, for the loader.
const archiveRoot = "/archive"

// allows is an assertion of what a struct or list could have.
var allows = regexp.MustCompile(`@test\(allows[^,()]*,\s*([^,()\s]+)`)

// ask finds out what the assertions of an archive are about.
func ask(files []file) (asked asked) {
	for _, f := range files {
		asked.errors = asked.errors || strings.Contains(f.Data, "@test(")
		for _, match := range allows.FindAllStringSubmatch(f.Data, -1) {
			if !slices.Contains(asked.fields, match[1]) {
				asked.fields = append(asked.fields, match[1])
			}
		}
	}
	return asked
}

// split reads the txtar format: a file begins at a line "-- name --".
func split(text string) []file {
	var files []file
	for _, line := range strings.SplitAfter(text, "\n") {
		trimmed := strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if strings.HasPrefix(trimmed, "-- ") && strings.HasSuffix(trimmed, " --") && len(trimmed) > 6 {
			files = append(files, file{Name: strings.TrimSpace(trimmed[3 : len(trimmed)-3])})
			continue
		}
		if len(files) > 0 {
			files[len(files)-1].Data += line
		}
	}
	return files
}

// evaluateArchive loads the files at the archive's top level as one package, as the reference's own
// tests do, and evaluates it. A panic of the reference is an answer, too. With assertions, what those of
// the archive are about is told as well.
func evaluateArchive(id string, files []file, evaluate, assertions bool) (result caseResult) {
	result = caseResult{Case: id}
	for _, f := range files {
		if path.Ext(f.Name) == ".cue" && !strings.HasPrefix(f.Name, "out/") {
			result.Sources = append(result.Sources, judge(f))
		}
	}
	if !evaluate {
		return result
	}
	defer func() {
		if p := recover(); p != nil {
			result.Nodes, result.Error = nil, fmt.Sprintf("panic: %v", p)
		}
	}()
	dir := filepath.FromSlash(archiveRoot)
	overlay := map[string]load.Source{}
	var args []string
	for _, f := range files {
		if !strings.Contains(f.Name, "/") {
			args = append(args, f.Name)
		}
		overlay[filepath.Join(dir, filepath.FromSlash(f.Name))] = load.FromString(f.Data)
	}
	instances := load.Instances(args, &load.Config{
		ModuleRoot: ".", Dir: dir, Overlay: overlay, Env: []string{},
	})
	if len(instances) == 0 {
		result.Error = "no instance"
		return result
	}
	if err := instances[0].Err; err != nil {
		result.Error = err.Error()
		return result
	}
	value := cuecontext.New().BuildInstance(instances[0])
	if value.BuildInstance() == nil && value.Err() != nil {
		result.Error = value.Err().Error()
		return result
	}
	var asked asked
	if assertions {
		asked = ask(files)
	}
	result.Nodes = walk(value, asked)
	return result
}
