package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// admissionsCommand is the word that makes this program ask for admissions, and do nothing else.
const admissionsCommand = "admissions"

// startAdmissions has another process ask the webhook until the returned function is called, which returns how long each
// answer took. Among thousands of proxies that shake hands in this one, a question would wait for its turn here.
func startAdmissions() (stop func() ([]time.Duration, error), err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(program, admissionsCommand)
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var answer bytes.Buffer
	command.Stdout = &answer
	input, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	return func() ([]time.Duration, error) {
		input.Close()
		if err := command.Wait(); err != nil {
			return nil, err
		}
		var took []time.Duration
		return took, json.Unmarshal(answer.Bytes(), &took)
	}, nil
}

// runAdmissions is that process: it asks until its input ends.
func runAdmissions() {
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	json.NewEncoder(os.Stdout).Encode(admissions(ctx, 50))
}

// admissions asks the webhook for pods at a rate until the context ends, each time over a connection that may be new, as
// API servers do. It returns how long each answer took; one that does not come in 10 s, the default, counts as that.
func admissions(ctx context.Context, perSecond int) []time.Duration {
	review := object{
		"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
		"request": object{
			"uid": "bench", "operation": "CREATE", "namespace": namespaceOf(0), "name": "pod",
			"kind":     object{"group": "", "version": "v1", "kind": "Pod"},
			"resource": object{"group": "", "version": "v1", "resource": "pods"},
			"object": object{
				"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": "pod", "labels": object{"app": "pod"}},
				"spec": object{"containers": []object{{"name": "app", "image": "registry.example/app:1.0"}}},
			},
		},
	}
	body, err := json.Marshal(review)
	if err != nil {
		panic(err)
	}
	const limit = 10 * time.Second
	client := &http.Client{Timeout: limit, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	var took []time.Duration
	var mu sync.Mutex
	var wait sync.WaitGroup
	ask := func() {
		defer wait.Done()
		start := time.Now()
		err := admit(client, body)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			took = append(took, limit)
			return
		}
		took = append(took, time.Since(start))
	}
	every(ctx, perSecond, func(int) {
		wait.Add(1)
		go ask()
	})
	wait.Wait()
	return took
}

func admit(client *http.Client, body []byte) error {
	resp, err := client.Post("https://"+controlPlaneIP+":9443/inject", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(`"allowed":true`))) {
		err = fmt.Errorf("%s: %.200s", resp.Status, answer)
	}
	return err
}

// every calls act so often in a second until the context ends.
func every(ctx context.Context, perSecond int, act func(n int)) {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			act(n)
		}
	}
}
