package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

const (
	// edgesEach is what a proxy reports of: nine destinations that it calls, and one caller.
	edgesEach = 10
	// perReport is how many requests each of them had since the last report.
	perReport  = 100
	usualPace  = 10 * time.Second
	viewPort   = "15114"
	viewHeader = "X-Weft-View-Token"
)

// telemetry has all proxies report traffic, and looks at it as `weft stat` does. All must have their configuration.
func (w *world) telemetry(ctx context.Context, f *figures, process *daemon, proxies *fleet) error {
	token, err := w.viewToken(ctx)
	if err != nil {
		return err
	}
	memory := process.memory("VmRSS")
	phase, stop := context.WithCancel(ctx)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer stop()
	for _, p := range proxies.proxies {
		wait.Go(func() { p.report(phase) })
	}
	if !proxies.untilReported(ctx, w.proxies, 2*time.Minute) {
		return fmt.Errorf("only %d of %d proxies reported", proxies.reported.Load(), w.proxies)
	}
	// Goals stood here before the first measurement: for 100, 1,000 and 5,000 proxies.
	thousands := float64(w.proxies) / 1000
	quiet := share(process, func() { sleep(ctx, w.duration()) })
	f.note("telemetry: CPU of reports while nobody looks, rest included", "%", w.goal(1.5+2*thousands, 100), quiet)
	first := time.Now()
	if _, err := look(ctx, token); err != nil {
		return err
	}
	f.note("telemetry: the first look, which asks all proxies", "ms", w.goal(1_500+200*thousands, 30_000), time.Since(first).Seconds()*1000)
	var took []time.Duration
	var seen view
	watched := share(process, func() { seen, took, err = w.watch(ctx, token) })
	if err != nil {
		return err
	}
	f.note("telemetry: CPU while somebody looks each second, rest included", "%", w.goal(2.5+8*thousands, 100), watched)
	f.note("telemetry: a look, p99", "ms", w.goal(50+100*thousands, 30_000), quantile(took, 0.99))
	f.note("telemetry: memory of all reports", "MB", w.goal(12+20*thousands, 1e6), process.memory("VmRSS")-memory)
	f.note("telemetry: proxies that a look lacks", "", 0, float64(w.proxies-seen.Proxies))
	f.note("telemetry: edges that a look lacks", "", 0, float64(w.edges()-len(seen.Edges)))
	return nil
}

// edges is how many the proxies report of, the pods of a service together.
func (w *world) edges() int {
	return (w.proxies + endpointsEach - 1) / endpointsEach * edgesEach
}

// view is what a look shows, as far as it is counted here.
type view struct {
	Proxies int               `json:"proxies"`
	Edges   []json.RawMessage `json:"edges"`
}

// watch looks each second, and says what the last look showed.
func (w *world) watch(ctx context.Context, token string) (last view, took []time.Duration, err error) {
	for end := time.Now().Add(w.duration()); time.Now().Before(end) && ctx.Err() == nil; {
		start := time.Now()
		if last, err = look(ctx, token); err != nil {
			return last, took, err
		}
		took = append(took, time.Since(start))
		sleep(ctx, time.Second-time.Since(start))
	}
	return last, took, nil
}

// The API server does not look at the certificate of a pod either.
var viewClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}

func look(ctx context.Context, token string) (view, error) {
	var seen view
	url := "https://" + net.JoinHostPort(controlPlaneIP, viewPort) + "/traffic?since=1m"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return seen, err
	}
	req.Header.Set(viewHeader, token)
	resp, err := viewClient.Do(req)
	if err != nil {
		return seen, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %.300s", url, resp.Status, body)
	}
	if err != nil {
		return seen, err
	}
	return seen, json.Unmarshal(body, &seen)
}

// viewToken is one of the account whose tokens let somebody see the traffic.
func (w *world) viewToken(ctx context.Context) (string, error) {
	const accounts = "/api/v1/namespaces/" + systemNamespace + "/serviceaccounts"
	const account = "weft-default-view"
	if _, err := w.api.get(ctx, accounts+"/"+account); err != nil {
		if _, err := w.api.create(ctx, accounts, object{"metadata": object{"name": account}}); err != nil {
			return "", err
		}
	}
	answer, err := w.api.create(ctx, accounts+"/"+account+"/token", object{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
		"spec": object{"audiences": []string{"weft-view"}, "expirationSeconds": 3600},
	})
	if err != nil {
		return "", err
	}
	status, _ := answer["status"].(object)
	token, _ := status["token"].(string)
	return token, nil
}

// untilReported waits until so many proxies have told of their edges.
func (f *fleet) untilReported(ctx context.Context, count int, limit time.Duration) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if int(f.reported.Load()) >= count {
			return true
		}
	}
	return false
}

// report tells what a proxy with traffic counts, on a stream beside that of its configuration, until the context ends.
func (p *proxy) report(ctx context.Context) {
	for ctx.Err() == nil {
		if connection := p.connection.Load(); connection != nil {
			p.reportOn(ctx, connection)
		}
		sleep(ctx, firstPause)
	}
}

func (p *proxy) reportOn(ctx context.Context, connection *http2.ClientConn) error {
	const method = "/weft.telemetry.v1.Telemetry/Report"
	ctx, end := context.WithCancel(ctx)
	defer end()
	out, body, err := open(ctx, connection, method)
	if err != nil {
		return err
	}
	defer body.Close()
	defer out.Close()
	// A stream whose body is a pipe does not notice by itself that its context ended.
	stop := context.AfterFunc(ctx, func() { out.CloseWithError(ctx.Err()); body.Close() })
	defer stop()
	if _, err := out.Write(firstReport(p.uid)); err != nil {
		return err
	}
	told := make(chan paceTold)
	go readPaces(ctx, body, told)
	if _, err := out.Write(p.counts(true, usualPace)); err != nil {
		return err
	}
	p.fleet.reported.Add(1)
	// Not all in the same moment.
	pace, wait := usualPace, rand.N(usualPace)
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case change, ok := <-told:
			if !ok {
				return io.ErrUnexpectedEOF
			}
			pace, wait = change.pace, rand.N(change.pace)
			if !change.now {
				continue
			}
		case <-time.After(wait):
		}
		if _, err := out.Write(p.counts(false, time.Since(last))); err != nil {
			return err
		}
		last, wait = time.Now(), pace
	}
}

func readPaces(ctx context.Context, body io.Reader, told chan<- paceTold) {
	defer close(told)
	buffer := make([]byte, 64)
	for {
		message, err := readMessage(body, &buffer)
		if err != nil {
			return
		}
		select {
		case told <- parsePace(message):
		case <-ctx.Done():
			return
		}
	}
}

// counts is a report of all edges; the first of a stream names them.
func (p *proxy) counts(first bool, covers time.Duration) []byte {
	var edges []edge
	if first {
		edges = p.edges()
	}
	return counted(edges, edgesEach, covers)
}

// edges are calls of the first destinations, as often as it takes, and of the first of them to the pod's own service.
func (p *proxy) edges() []edge {
	edges := make([]edge, 0, edgesEach)
	for i := range edgesEach - 1 {
		service := p.destinations[i%len(p.destinations)]
		edges = append(edges, edge{outbound: true, destination: named(service), route: fmt.Sprint("route-", i/len(p.destinations)), peer: identityOf(service)})
	}
	return append(edges, edge{destination: named(p.service), peer: identityOf(p.destinations[0])})
}

func named(service int) string {
	return fmt.Sprintf("%s/%s:%d", namespaceOf(service), serviceName(service), servicePort)
}

func identityOf(service int) string {
	return fmt.Sprintf("spiffe://cluster.local/ns/%s/sa/%s", namespaceOf(service), serviceName(service))
}
