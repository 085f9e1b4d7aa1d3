package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// api is a client of the API server that the benchmark started.
type api struct {
	server string
	client *http.Client
}

type object = map[string]any

func newAPI(server string) *api {
	// A certificate that it made itself a moment ago, on a loopback that nobody else is on.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	return &api{server: server, client: &http.Client{Transport: transport}}
}

func (a *api) do(ctx context.Context, method, path, contentType string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.server+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", contentType)
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %.300s", method, path, resp.Status, answer)
	}
	return answer, err
}

func (a *api) send(ctx context.Context, method, path, contentType string, body object) (object, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	answer, err := a.do(ctx, method, path, contentType, text)
	if err != nil {
		return nil, err
	}
	var found object
	return found, json.Unmarshal(answer, &found)
}

func (a *api) create(ctx context.Context, path string, body object) (object, error) {
	return a.send(ctx, http.MethodPost, path, "application/json", body)
}

func (a *api) get(ctx context.Context, path string) (object, error) {
	answer, err := a.do(ctx, http.MethodGet, path, "application/json", nil)
	if err != nil {
		return nil, err
	}
	var found object
	return found, json.Unmarshal(answer, &found)
}

// merge applies a JSON merge patch.
func (a *api) merge(ctx context.Context, path string, patch object) error {
	_, err := a.send(ctx, http.MethodPatch, path, "application/merge-patch+json", patch)
	return err
}

// countChanges watches a path and counts what changes there until the context ends.
func (a *api) countChanges(ctx context.Context, path string, count *atomic.Int64) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.server+path+"?watch=1", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	go func() {
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if bytes.Contains(lines.Bytes(), []byte(`"type":"MODIFIED"`)) {
				count.Add(1)
			}
		}
	}()
	return nil
}

// inParallel calls work for 0..n-1, some at a time, and returns the first error.
func inParallel(n, atOnce int, work func(int) error) error {
	var next atomic.Int64
	var wait sync.WaitGroup
	errs := make([]error, atOnce)
	for worker := range atOnce {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := work(i); err != nil {
					errs[worker] = err
					next.Store(int64(n))
					return
				}
			}
		}()
	}
	wait.Wait()
	return errors.Join(errs...)
}
