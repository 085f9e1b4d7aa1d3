package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// daemon is a process that ends with the benchmark.
type daemon struct {
	command *exec.Cmd
	ended   chan struct{}
}

func startDaemon(logFile string, env []string, name string, args ...string) (*daemon, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	command := exec.Command(name, args...)
	command.Stdout, command.Stderr = log, log
	command.Env = append(os.Environ(), env...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		return nil, err
	}
	d := &daemon{command: command, ended: make(chan struct{})}
	go func() {
		command.Wait()
		close(d.ended)
	}()
	return d, nil
}

func (d *daemon) kill() {
	d.command.Process.Kill()
	<-d.ended
}

// pids are the process and those that it has started, such as the front of the control plane.
func (d *daemon) pids() []string {
	own := strconv.Itoa(d.command.Process.Pid)
	pids := []string{own}
	lists, _ := filepath.Glob("/proc/" + own + "/task/*/children")
	for _, list := range lists {
		children, _ := os.ReadFile(list)
		pids = append(pids, strings.Fields(string(children))...)
	}
	return pids
}

const ticksPerSecond = 100

// cpu is the time that all threads of the processes have run.
func (d *daemon) cpu() time.Duration {
	ticks := 0
	for _, pid := range d.pids() {
		stat, _ := os.ReadFile("/proc/" + pid + "/stat")
		fields := strings.Fields(string(stat[strings.LastIndex(string(stat), ")")+1:]))
		if len(fields) < 13 {
			continue
		}
		user, _ := strconv.Atoi(fields[11])
		system, _ := strconv.Atoi(fields[12])
		ticks += user + system
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond
}

// memory adds up a line of /proc/PID/status of the processes, such as VmRSS or VmHWM, in MB. Of VmHWM that may be more than there was at
// any one time.
func (d *daemon) memory(line string) float64 {
	sum := 0.0
	for _, pid := range d.pids() {
		status, _ := os.ReadFile("/proc/" + pid + "/status")
		for text := range strings.Lines(string(status)) {
			if name, value, found := strings.Cut(text, ":"); found && name == line {
				kb, _ := strconv.ParseFloat(strings.Fields(value)[0], 64)
				sum += kb / 1000
			}
		}
	}
	return sum
}

// until asks again every so often until the answer is nil, and fails after the limit or when the daemon ended.
func (d *daemon) until(ctx context.Context, limit time.Duration, ask func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-d.ended:
			return fmt.Errorf("%s ended: %w", d.command.Path, err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: %w", d.command.Path, err)
		}
	}
}

// controlPlane starts the bundle on core 0 and waits until it is ready.
func (w *world) startControlPlane(ctx context.Context) (*daemon, error) {
	env := []string{
		"KUBECONFIG=" + w.kubeconfig, "WEFT_IMAGE=weft:bench", "WEFT_LOG_LEVEL=warn", "NODE_OPTIONS=",
		"WEFT_FRONT=" + w.front, "WEFT_POD_NAME=" + controlPlanePod, "WEFT_POD_UID=" + w.podUID,
	}
	// As the chart starts it.
	args := []string{"-c", w.core, w.node, "--max-semi-space-size=4", "--heap-growing-percent=50", "--v8-pool-size=1", w.bundle, "controller"}
	d, err := startDaemon(filepath.Join(w.dir, "control-plane.log"), env, "taskset", args...)
	if err != nil {
		return nil, err
	}
	return d, d.until(ctx, 90*time.Second, func() error {
		resp, err := http.Get("http://127.0.0.1:9090/ready")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("not ready: %s", resp.Status)
		}
		return nil
	})
}
