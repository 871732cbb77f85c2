package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
)

// supervise runs programs on behalf of a test, and ends them with it.
//
// It reads one request a line from its standard input, {"start": NAME, "command": [...], "env": [...], "log": FILE}
// or {"signal": NAME, "number": N}, and answers each with one line on its standard output; it also tells when a program
// ended. When its input ends (the test has ended, however it did) or it is told to stop by a signal, it kills all
// programs with their process groups, waits until they are gone and removes the folder given with -remove.
// With -stay, for a control plane that is to outlive the command that started it, only a signal ends it.
func supervise(args []string) int {
	flags := flag.NewFlagSet("supervise", flag.ContinueOnError)
	remove := flags.String("remove", "", "folder to remove at the end")
	stay := flags.Bool("stay", false, "go on when the standard input ends")
	if flags.Parse(args) != nil {
		return 2
	}
	// The kernel ties "end with the parent" to the thread that started a program: keep it to the main one.
	runtime.LockOSThread()

	requests := make(chan request)
	go read(os.Stdin, requests)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	signal.Ignore(syscall.SIGPIPE)
	ended := make(chan event)
	running := map[string]*exec.Cmd{}

	for requests != nil || *stay {
		select {
		case r, open := <-requests:
			if !open {
				requests = nil
				continue
			}
			answer(handle(r, running, ended))
		case e := <-ended:
			delete(running, e.Name)
			answer(e)
		case <-signals:
			*stay, requests = false, nil
		}
	}
	for _, command := range running {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	}
	for len(running) > 0 {
		delete(running, (<-ended).Name)
	}
	if *remove != "" {
		_ = os.RemoveAll(*remove)
	}
	return 0
}

type request struct {
	Start   string   `json:"start"`
	Command []string `json:"command"`
	Env     []string `json:"env"`
	Log     string   `json:"log"`
	Signal  string   `json:"signal"`
	Number  int      `json:"number"`
}

// event is what became of a request, or of a program: started, signalled, exited or failed.
type event struct {
	Event  string `json:"event"`
	Name   string `json:"name"`
	Pid    int    `json:"pid,omitempty"`
	Detail string `json:"detail,omitempty"`
}

func read(from io.Reader, requests chan<- request) {
	defer close(requests)
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			fmt.Fprintln(os.Stderr, "supervise: not a request:", err)
			continue
		}
		requests <- r
	}
}

func answer(e event) {
	line, err := json.Marshal(e)
	if err == nil {
		fmt.Println(string(line))
	}
}

func handle(r request, running map[string]*exec.Cmd, ended chan<- event) event {
	if r.Signal != "" {
		command, ok := running[r.Signal]
		if !ok {
			return event{Event: "failed", Name: r.Signal, Detail: "it does not run"}
		}
		if err := syscall.Kill(-command.Process.Pid, syscall.Signal(r.Number)); err != nil {
			return event{Event: "failed", Name: r.Signal, Detail: err.Error()}
		}
		return event{Event: "signalled", Name: r.Signal}
	}
	if _, ok := running[r.Start]; ok || r.Start == "" || len(r.Command) == 0 {
		return event{Event: "failed", Name: r.Start, Detail: "no command, or it runs already"}
	}
	log, err := os.OpenFile(r.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return event{Event: "failed", Name: r.Start, Detail: err.Error()}
	}
	defer log.Close()
	command := exec.Command(r.Command[0], r.Command[1:]...)
	command.Env = append(os.Environ(), r.Env...)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = ownGroup()
	if err := command.Start(); err != nil {
		return event{Event: "failed", Name: r.Start, Detail: err.Error()}
	}
	running[r.Start] = command
	go func() {
		_ = command.Wait()
		ended <- event{Event: "exited", Name: r.Start, Detail: command.ProcessState.String()}
	}()
	return event{Event: "started", Name: r.Start, Pid: command.Process.Pid}
}
