package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// behaviour is what can be changed about a target while it runs: PUT /behaviour on its control socket.
type behaviour struct {
	// LatencyMillis is what a request takes once its turn has come.
	LatencyMillis float64 `json:"latencyMillis"`
	// Spread of the latency: 0 exactly it, 1 anything from nothing to twice as long.
	Spread float64 `json:"spread"`
	// SlowPercent of the requests take SlowFactor times as long.
	SlowPercent float64 `json:"slowPercent"`
	SlowFactor  float64 `json:"slowFactor"`
	// FailPercent of the requests are answered with FailStatus.
	FailPercent float64 `json:"failPercent"`
	FailStatus  int     `json:"failStatus"`
	// Capacity is how many requests are worked on at a time. The others wait in line, as for the threads of a pool, and
	// nobody looks whether their callers still wait. 0: no limit.
	Capacity int `json:"capacity"`
}

// seen is what a target counted since it was last asked: POST /take on its control socket.
type seen struct {
	// Started counts requests that came to the application, however they ended.
	Started int `json:"started"`
	// Retried counts those of them that said they were not the first try.
	Retried int `json:"retried"`
	// Late counts those that came lateGrace or more after their caller had given up, which x-give-up says.
	Late int `json:"late"`
	// LatestMillis is how long after that the latest came; negative when all were early.
	LatestMillis float64 `json:"latestMillis"`
	// StallMillis is the longest that a timer of this process was overdue: what the machine itself was late.
	StallMillis float64 `json:"stallMillis"`
}

// stallTick is how often the process looks whether it is given the processor in time.
const stallTick = 5 * time.Millisecond

// lateGrace is what a request may take from the proxies' last look at the clock to the application's first.
const lateGrace = 10 * time.Millisecond

// webSocketPath is where the HTTP port of a target echoes messages of WebSockets.
const webSocketPath = "/websocket"

// giveUpHeader holds the Unix milliseconds at which the first caller gives up. Each target passes it on, whether it
// passes the deadline on or not.
const giveUpHeader = "x-give-up"

// target is the application of a scenario: how slow, how failing and how large it is can be set while it runs.
type target struct {
	name, next      string
	forwardDeadline bool
	client          *http.Client

	mutex     sync.Mutex
	behaviour behaviour
	seen      seen
	// slots is nil without a limit. A channel hands out turns in the order in which they were asked for.
	slots chan struct{}
}

func runTarget(args []string) error {
	flags := flag.NewFlagSet("target", flag.ExitOnError)
	name := flags.String("name", "target", "who answers, in the x-version header")
	httpAddr := flags.String("http", ":8080", "HTTP/1.1 and HTTP/2 (prior knowledge) address")
	grpcAddr := flags.String("grpc", "", "gRPC address (interop test service); empty: none")
	tcpAddr := flags.String("tcp", "", "TCP address that echoes; empty: none")
	control := flags.String("control", "", "Unix socket on which to be told a behaviour and asked what was seen")
	next := flags.String("next", "", "URL to call for every request, once its own latency has passed")
	forward := flags.Bool("forward-deadline", false, "copy x-weft-deadline to that call")
	drain := flags.Duration("drain", 5*time.Second, "longest wait for requests in flight at the end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	app := &target{name: *name, next: *next, forwardDeadline: *forward, client: newLoadClient(256, false, false)}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	failed := make(chan error, 4)
	serveOn := func(network, address string, serve func(net.Listener) error) {
		if address == "" {
			return
		}
		listener, err := net.Listen(network, address)
		if err == nil {
			go func() { failed <- serve(listener) }()
		} else {
			failed <- err
		}
	}
	routes := http.NewServeMux()
	routes.Handle("/", app)
	routes.Handle(webSocketPath, websocket.Handler(func(conn *websocket.Conn) { echo(conn) }))
	server := &http.Server{Handler: routes, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	rpc := grpc.NewServer()
	testpb.RegisterTestServiceServer(rpc, interop.NewTestServer())
	go app.watchStalls()
	serveOn("tcp", *httpAddr, server.Serve)
	serveOn("tcp", *grpcAddr, rpc.Serve)
	serveOn("tcp", *tcpAddr, func(l net.Listener) error { return acceptAll(l, echo) })
	serveOn("unix", *control, func(l net.Listener) error { return http.Serve(l, app.control()) })
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), *drain)
	defer cancel()
	go rpc.GracefulStop()
	return server.Shutdown(end)
}

// control is what the scenario says and asks.
func (t *target) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /behaviour", func(w http.ResponseWriter, r *http.Request) {
		var wanted behaviour
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&wanted); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		t.mutex.Lock()
		defer t.mutex.Unlock()
		t.behaviour, t.slots = wanted, nil
		if wanted.Capacity > 0 {
			t.slots = make(chan struct{}, wanted.Capacity)
		}
	})
	mux.HandleFunc("POST /take", func(w http.ResponseWriter, _ *http.Request) {
		t.mutex.Lock()
		out := t.seen
		t.seen = seen{}
		t.mutex.Unlock()
		_ = json.NewEncoder(w).Encode(out)
	})
	return mux
}

func (t *target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	how, slots := t.count(r)
	if slots != nil {
		slots <- struct{}{}
		defer func() { <-slots }()
	}
	time.Sleep(how.latency())
	w.Header().Set("x-version", t.name)
	if rand.Float64()*100 < how.FailPercent {
		w.WriteHeader(how.FailStatus)
		return
	}
	if t.next != "" {
		status, err := t.call(r)
		if err != nil {
			status = http.StatusBadGateway
		}
		w.WriteHeader(status)
	}
	_, _ = fmt.Fprintln(w, t.name)
}

// count notes a request that starts now, and says how it is to be treated.
func (t *target) count(r *http.Request) (behaviour, chan struct{}) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	first := t.seen.Started == 0
	t.seen.Started++
	if r.Header.Get("x-weft-attempt") != "" {
		t.seen.Retried++
	}
	if giveUp, err := strconv.ParseInt(r.Header.Get(giveUpHeader), 10, 64); err == nil {
		late := time.Since(time.UnixMilli(giveUp))
		if late >= lateGrace {
			t.seen.Late++
		}
		if millis := float64(late.Microseconds()) / 1000; first || millis > t.seen.LatestMillis {
			t.seen.LatestMillis = millis
		}
	}
	return t.behaviour, t.slots
}

func (t *target) watchStalls() {
	for {
		begin := time.Now()
		time.Sleep(stallTick)
		stall := float64((time.Since(begin) - stallTick).Microseconds()) / 1000
		t.mutex.Lock()
		t.seen.StallMillis = max(t.seen.StallMillis, stall)
		t.mutex.Unlock()
	}
}

func (b behaviour) latency() time.Duration {
	millis := b.LatencyMillis * (1 + b.Spread*(2*rand.Float64()-1))
	if rand.Float64()*100 < b.SlowPercent {
		millis *= b.SlowFactor
	}
	return time.Duration(millis * float64(time.Millisecond))
}

// call goes on although the caller may be gone, as applications do that do not look.
func (t *target) call(r *http.Request) (int, error) {
	req, err := http.NewRequest(http.MethodGet, t.next, nil)
	if err != nil {
		return 0, err
	}
	names := []string{giveUpHeader}
	if t.forwardDeadline {
		names = append(names, "x-weft-deadline")
	}
	for _, name := range names {
		if value := r.Header.Get(name); value != "" {
			req.Header.Set(name, value)
		}
	}
	res, err := t.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// echo gives bytes back as they come.
func echo(conn net.Conn) {
	_, _ = io.Copy(conn, conn)
}
