package main

import "syscall"

// ownGroup puts a program into a process group of its own, and lets the kernel kill it when the supervisor is killed.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
