package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
)

// node is what is known of one value path.
type node struct {
	Path string `json:"p"`
	// Arc is "" for a regular field, "!" or "?".
	Arc string `json:"a,omitempty"`
	// Kind is a set of types, joined by "|".
	Kind string `json:"k"`
	// Code is the class of the error here, empty if there is none.
	Code string `json:"e,omitempty"`
	// Child says that the error is that of a node below.
	Child   bool   `json:"c,omitempty"`
	Message string `json:"m,omitempty"`
	// Leaf is the JSON of a concrete scalar; numbers as they are printed.
	Leaf json.RawMessage `json:"v,omitempty"`
	// Default is the JSON of the default of what is not concrete, if it has one.
	Default json.RawMessage `json:"d,omitempty"`
	// Closed is set for structs and lists.
	Closed *bool `json:"o,omitempty"`
	// Order is the regular fields of a struct as they are output, if there are several.
	Order []string `json:"f,omitempty"`
	// Text is the CUE of what is neither concrete nor made of fields or elements.
	Text string `json:"x,omitempty"`
	// Again says that there was a value, that of another node, until the interface was asked for it: it then
	// evaluated once more, and came to an error, or closed what had been open.
	Again bool `json:"g,omitempty"`
	// Errors is what the error consists of, if that was asked.
	Errors []told `json:"w,omitempty"`
	// Accepts is which of the fields that were asked about could be there; of structs and lists.
	Accepts []string `json:"y,omitempty"`
}

// told is one thing that went wrong.
type told struct {
	Message string `json:"m"`
	// Places are file:line:column, the most telling first.
	Places []string `json:"at,omitempty"`
}

// asked is what to tell of nodes beyond what they are.
type asked struct {
	errors bool
	fields []string
}

// The deepest path that is followed, and the most nodes of one case.
const (
	maxDepth = 40
	maxNodes = 5000
)

// standing is what a field was before the interface was asked for it.
type standing struct {
	// value: it stood for another node, and that was no error.
	value bool
	// open: neither it nor the other was closed.
	open bool
}

type walker struct {
	nodes []node
	asked asked
	// held is what fields were before the interface was asked for anything.
	held map[any]standing
}

func walk(root cue.Value, asked asked) []node {
	w := &walker{asked: asked, held: make(map[any]standing)}
	w.visit(root, "", "", standing{}, 0)
	return w.nodes
}

func (w *walker) visit(v cue.Value, path, arc string, stood standing, depth int) {
	if depth > maxDepth || len(w.nodes) >= maxNodes {
		return
	}
	core := v.Core()
	vertex := core.V.DerefValue()
	n := node{Path: path, Arc: arc, Kind: fmt.Sprint(vertex.Kind())}
	// Which fields stand for others, before anything is asked: the answer may evaluate them once more, and all that is below.
	for rest := append(vertex.Arcs[:0:0], vertex); len(rest) > 0 && len(w.held) < maxNodes; rest = rest[1:] {
		for _, arcVertex := range rest[0].DerefValue().Arcs {
			if _, seen := w.held[arcVertex]; seen {
				continue
			}
			shared := arcVertex.DerefValue()
			w.held[arcVertex] = standing{
				value: shared != arcVertex && shared.BaseValue != nil && shared.Bottom() == nil,
				open: !arcVertex.ClosedRecursive && !arcVertex.ClosedNonRecursive &&
					!shared.ClosedRecursive && !shared.ClosedNonRecursive,
			}
			rest = append(rest, arcVertex)
		}
	}
	if b := vertex.Bottom(); b != nil {
		n.Code = fmt.Sprint(b.Code)
		n.Child = b.ChildError
		n.Again = stood.value
		if b.Err != nil {
			n.Message = b.Err.Error()
		}
		if w.asked.errors {
			n.Errors = tell(v)
		}
	} else {
		describe(v, &n)
		if n.Closed != nil {
			n.Again = stood.value && stood.open && *n.Closed
			n.Accepts = accepted(v, w.asked.fields)
		}
	}
	w.nodes = append(w.nodes, n)

	// Arcs are read from the vertex, since iterating an erroneous value is refused.
	for _, arcVertex := range vertex.Arcs {
		if arcVertex.Label.IsLet() {
			continue
		}
		sel, mark, ok := selector(arcVertex.Label.SelectorString(core.R), arcVertex.Label.IsInt(),
			arcVertex.Label.Index(), fmt.Sprint(arcVertex.ArcType))
		if !ok {
			continue
		}
		if arcVertex.Label.IsHidden() {
			sel = cue.Hid(arcVertex.Label.IdentString(core.R), arcVertex.Label.PkgID(core.R))
			if mark == "?" {
				sel = sel.Optional()
			} else if mark == "!" {
				sel = sel.Required()
			}
		}
		child := v.LookupPath(cue.MakePath(sel))
		if child.Core().V == nil || child.Core().V.Label != arcVertex.Label {
			continue
		}
		label := arcVertex.Label.SelectorString(core.R)
		if arcVertex.Label.IsInt() {
			label = strconv.Itoa(arcVertex.Label.Index())
		}
		sub := label
		if path != "" {
			sub = path + "." + label
		}
		w.visit(child, sub, mark, w.held[arcVertex], depth+1)
	}
}

// tell lists what went wrong with a value.
func tell(v cue.Value) []told {
	var err error = v.Err()
	if err == nil {
		// What only a more concrete demand would call an error.
		if b := v.Core().V.DerefValue().Bottom(); b != nil && b.Err != nil {
			err = b.Err
		}
	}
	var list []told
	for _, e := range errors.Errors(err) {
		t := told{Message: e.Error()}
		for _, p := range errors.Positions(e) {
			name := strings.TrimPrefix(filepath.ToSlash(p.Filename()), archiveRoot+"/")
			t.Places = append(t.Places, fmt.Sprintf("%s:%d:%d", name, p.Line(), p.Column()))
		}
		list = append(list, t)
	}
	return list
}

// accepted is which of these fields a struct or list could have. Instead of a label, string and int
// stand for any field and any element.
func accepted(v cue.Value, fields []string) []string {
	var accepted []string
	for _, field := range fields {
		var sel cue.Selector
		switch field {
		case "string":
			sel = cue.AnyString
		case "int":
			sel = cue.AnyIndex
		default:
			path := cue.ParsePath(field)
			if path.Err() != nil || len(path.Selectors()) != 1 {
				continue
			}
			sel = path.Selectors()[0]
		}
		if v.Allows(sel) {
			accepted = append(accepted, field)
		}
	}
	return accepted
}

// selector makes the public selector of an arc.
func selector(label string, isInt bool, index int, arcType string) (cue.Selector, string, bool) {
	var sel cue.Selector
	if isInt {
		sel = cue.Index(index)
	} else if p := cue.ParsePath(label); p.Err() == nil && len(p.Selectors()) == 1 {
		sel = p.Selectors()[0]
	}
	switch arcType {
	case "Member":
		return sel, "", true
	case "Required":
		return sel.Required(), "!", true
	case "Optional":
		return sel.Optional(), "?", true
	}
	return sel, "", false
}

// describe fills in what is known of a value without error.
func describe(v cue.Value, n *node) {
	switch v.IncompleteKind() {
	case cue.StructKind, cue.ListKind:
		closed := v.IsClosed()
		n.Closed = &closed
	}
	if v.IsConcrete() && v.Kind() != cue.StructKind && v.Kind() != cue.ListKind {
		n.Leaf = encodeLeaf(v)
		if n.Leaf != nil && fmt.Sprint(v.IncompleteKind()) == fmt.Sprint(v.Kind()) {
			if d, ok := v.Default(); !ok || d == v {
				return
			}
		}
	}
	// A disjunction with a default counts as concrete: its leaf is its default.
	if d, ok := v.Default(); ok && d != v {
		n.Default, n.Leaf = encodeLeaf(d), nil
	}
	base := fmt.Sprintf("%T", v.Core().V.DerefValue().BaseValue)
	composite := base == "*adt.StructMarker" || base == "*adt.ListMarker"
	if base == "*adt.StructMarker" {
		n.Order = order(v)
	}
	if !composite && n.Leaf == nil {
		n.Text = fmt.Sprint(v)
	}
}

// order lists the regular fields of a struct.
func order(v cue.Value) []string {
	fields, err := v.Fields()
	if err != nil {
		return nil
	}
	// Required fields are listed, too, and look like the others.
	core := v.Core()
	members := map[string]bool{}
	for _, arc := range core.V.DerefValue().Arcs {
		if arc.Label.IsString() && fmt.Sprint(arc.ArcType) == "Member" {
			members[arc.Label.StringValue(core.R)] = true
		}
	}
	var names []string
	for fields.Next() {
		if name := fields.Selector().Unquoted(); members[name] {
			names = append(names, name)
		}
	}
	if len(names) < 2 {
		return nil
	}
	return names
}

func encodeLeaf(v cue.Value) json.RawMessage {
	text, err := v.MarshalJSON()
	if err != nil || !json.Valid(text) {
		return nil
	}
	return text
}

// source says whether a file is well-formed.
type source struct {
	Name   string `json:"name"`
	Accept bool   `json:"accept"`
	Error  string `json:"error,omitempty"`
}

// judge parses a file and decodes its literals.
func judge(f file) source {
	tree, err := parser.ParseFile(f.Name, f.Data)
	if err == nil {
		err = literals(tree)
	}
	if err != nil {
		first := errors.Errors(err)[0]
		pos := first.Position()
		text := fmt.Sprintf("%d:%d: %v", pos.Line(), pos.Column(), first)
		return source{Name: f.Name, Error: text}
	}
	return source{Name: f.Name, Accept: true}
}

func literals(tree ast.Node) (err error) {
	ast.Walk(tree, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.Interpolation:
			// Its pieces are no literals by themselves.
			for i, elt := range x.Elts {
				if i%2 == 1 {
					if e := literals(elt); e != nil && err == nil {
						err = e
					}
				}
			}
			return false
		case *ast.BasicLit:
			var e error
			switch x.Kind {
			case token.STRING:
				_, e = literal.Unquote(x.Value)
			case token.INT, token.FLOAT:
				var info literal.NumInfo
				e = literal.ParseNum(x.Value, &info)
			}
			if e != nil && err == nil {
				err = errors.Newf(x.Pos(), "%v", e)
			}
		}
		return true
	}, nil)
	return err
}
