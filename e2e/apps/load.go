package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// report is what a load run prints, as JSON.
type report struct {
	Requests int            `json:"requests"`
	Statuses map[string]int `json:"statuses"`
	// Responses by x-version header.
	Versions map[string]int `json:"versions"`
	// Unix milliseconds at which the last response of each version arrived.
	LastSeen map[string]int64 `json:"lastSeen"`
	// Failures by message, at most 20 kinds; a failure is a transport error or a status of 500 and above.
	Failures map[string]int `json:"failures"`
	Failed   int            `json:"failed"`
	// Requests that took longer than -late, whether they failed or not.
	Late int `json:"late"`
	// Unix milliseconds at which the last request that failed or was late was done with; 0: there was none.
	LastBad int64 `json:"lastBad"`
	// Latencies of all requests, and of those that did not fail.
	Millis   map[string]float64 `json:"millis"`
	OkMillis map[string]float64 `json:"okMillis"`
	Seconds  float64            `json:"seconds"`
}

type sample struct {
	arrived time.Time
	took    time.Duration
	status  string
	version string
	failure string
}

// load offers a fixed rate in an open loop: latency counts from the moment a request was due, so a stalled server
// cannot hide its stall (no coordinated omission). With -rate 0 each connection sends as soon as it may.
func load(args []string) error {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	url := flags.String("url", "", "what to ask for")
	method := flags.String("method", http.MethodGet, "a POST has a body of one byte")
	rate := flags.Float64("rate", 100, "requests a second over all connections; 0: closed loop")
	count := flags.Int("count", 0, "requests in all; 0: until -duration")
	duration := flags.Duration("duration", 10*time.Second, "longest run; SIGTERM ends it with its report too")
	connections := flags.Int("connections", 10, "most requests in flight")
	h2 := flags.Bool("h2", false, "HTTP/2 with prior knowledge")
	fresh := flags.Bool("fresh", false, "a new connection for every request")
	headers := flags.String("headers", "", "name=value,name=value")
	giveUp := flags.Duration("give-up", 0, "how long after it is sent a request says, in x-give-up, that its caller gives up; 0: never")
	timeout := flags.Duration("timeout", 10*time.Second, "how long a request is waited for")
	late := flags.Duration("late", time.Second, "a request that took longer counts as late")
	if err := flags.Parse(args); err != nil {
		return err
	}
	client := newLoadClient(*connections, *h2, *fresh)
	client.Timeout = *timeout
	interrupted, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ctx, cancel := context.WithTimeout(interrupted, *duration)
	defer cancel()

	due := make(chan time.Time)
	go pace(ctx, due, *rate, *count)
	samples := make(chan sample, 1024)
	var workers sync.WaitGroup
	for range *connections {
		workers.Go(func() {
			for at := range due {
				samples <- ask(client, *method, *url, *headers, at, *giveUp)
			}
		})
	}
	go func() { workers.Wait(); close(samples) }()
	start := time.Now()
	out := collect(samples, *late)
	out.Seconds = time.Since(start).Seconds()
	return json.NewEncoder(os.Stdout).Encode(out)
}

func newLoadClient(connections int, h2, fresh bool) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: connections, DisableKeepAlives: fresh, Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(!h2)
	transport.Protocols.SetUnencryptedHTTP2(h2)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// pace sends the moment each request is due; with rate 0, the moment somebody takes it.
func pace(ctx context.Context, due chan<- time.Time, rate float64, count int) {
	defer close(due)
	start := time.Now()
	for n := 0; count == 0 || n < count; n++ {
		at := time.Now()
		if rate > 0 {
			at = start.Add(time.Duration(float64(n) / rate * float64(time.Second)))
			time.Sleep(time.Until(at))
		}
		select {
		case due <- at:
		case <-ctx.Done():
			return
		}
	}
}

func ask(client *http.Client, method, url, headers string, due time.Time, giveUp time.Duration) sample {
	out := sample{}
	var body io.Reader
	if method != http.MethodGet {
		body = strings.NewReader("x")
	}
	req, err := http.NewRequest(method, url, body)
	if err == nil {
		for _, pair := range strings.Split(headers, ",") {
			if name, value, ok := strings.Cut(pair, "="); ok {
				req.Header.Set(name, value)
			}
		}
		if giveUp > 0 {
			req.Header.Set(giveUpHeader, strconv.FormatInt(time.Now().Add(giveUp).UnixMilli(), 10))
		}
		var res *http.Response
		if res, err = client.Do(req); err == nil {
			_, err = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			out.status = fmt.Sprint(res.StatusCode)
			out.version = res.Header.Get("x-version")
			if upstream := res.Header.Values("x-upstream-version"); len(upstream) > 0 {
				out.version = strings.Join(upstream, "+")
			}
			if res.StatusCode >= 500 {
				out.failure = fmt.Sprintf("%d %s", res.StatusCode, res.Header.Get("x-weft-reason"))
			}
		}
	}
	if err != nil {
		out.failure = err.Error()
	}
	out.arrived = time.Now()
	out.took = out.arrived.Sub(due)
	return out
}

func collect(samples <-chan sample, late time.Duration) report {
	out := report{Statuses: map[string]int{}, Versions: map[string]int{}, LastSeen: map[string]int64{},
		Failures: map[string]int{}}
	var took, ok []float64
	for s := range samples {
		out.Requests++
		took = append(took, float64(s.took.Microseconds())/1000)
		if s.took > late {
			out.Late++
		}
		if s.took > late || s.failure != "" {
			out.LastBad = max(out.LastBad, s.arrived.UnixMilli())
		}
		if s.status != "" {
			out.Statuses[s.status]++
		}
		if s.version != "" {
			out.Versions[s.version]++
			out.LastSeen[s.version] = max(out.LastSeen[s.version], s.arrived.UnixMilli())
		}
		if s.failure == "" {
			ok = append(ok, float64(s.took.Microseconds())/1000)
		} else {
			out.Failed++
			if _, seen := out.Failures[s.failure]; seen || len(out.Failures) < 20 {
				out.Failures[s.failure]++
			}
		}
	}
	out.Millis, out.OkMillis = quantiles(took), quantiles(ok)
	return out
}

func quantiles(values []float64) map[string]float64 {
	out := map[string]float64{}
	sort.Float64s(values)
	for name, q := range map[string]float64{"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1} {
		if len(values) > 0 {
			out[name] = values[min(len(values)-1, int(q*float64(len(values))))]
		}
	}
	return out
}
