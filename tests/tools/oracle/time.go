package main

import (
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"time"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/load"
)

// timing answers a demand ("export" or "vet") about files for some milliseconds, at least three times, and prints the
// median in microseconds: from the text of the sources, which are read before, to JSON or to the errors of the value.
func timing(out io.Writer, args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("usage: oracle time export|vet MILLISECONDS FILE...")
	}
	millis, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	overlay := map[string]load.Source{}
	for _, name := range args[2:] {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		overlay[name] = load.FromBytes(text)
	}
	var times []time.Duration
	for begin := time.Now(); len(times) < 3 || time.Since(begin) < time.Duration(millis)*time.Millisecond; {
		one := time.Now()
		if err := answer(args[0], args[2:], overlay); err != nil {
			return err
		}
		times = append(times, time.Since(one))
	}
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	_, err = fmt.Fprintln(out, times[len(times)/2].Microseconds())
	return err
}

// answer fails only if there is nothing to evaluate: errors of the value are what was asked for.
func answer(demand string, files []string, overlay map[string]load.Source) error {
	instances := load.Instances(files, &load.Config{Dir: "/", Overlay: overlay, Env: []string{}})
	if len(instances) != 1 || instances[0].Err != nil {
		return fmt.Errorf("%v cannot be loaded", files)
	}
	value := cuecontext.New().BuildInstance(instances[0])
	if demand == "vet" {
		_ = value.Validate()
		return nil
	}
	if err := value.Validate(cue.Concrete(true), cue.Final()); err != nil {
		return err
	}
	_, err := value.MarshalJSON()
	return err
}
