package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
)

// service is one running application.
type service struct {
	name, version, pod string
	upstreams          []string
	propagate          bool
	client             *http.Client
	failing            atomic.Bool
	failEvery          int64
	described          atomic.Int64
	grpcHealth         *health.Server
}

// serve listens until SIGTERM, then finishes what is in flight.
func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	name := flags.String("name", "app", "who answers")
	version := flags.String("version", "v1", "version that answers; also in the x-version header")
	httpAddr := flags.String("http", ":8080", "HTTP/1.1 and HTTP/2 (prior knowledge) address")
	grpcAddr := flags.String("grpc", "", "gRPC address (interop test service and health); empty: none")
	tcpAddr := flags.String("tcp", "", "TCP address: answers all bytes once the client half-closes; empty: none")
	greetAddr := flags.String("greet", "", "TCP address that speaks first, as databases do; empty: none")
	tlsAddr := flags.String("tls", "", "TLS address: says which version answers for which name; empty: none")
	upstreams := flags.String("upstreams", "", "comma-separated URLs to call for every request to /")
	propagate := flags.Bool("propagate", true, "whether calls of upstreams carry what belongs to the request as a whole, such as traceparent")
	fail := flags.Int64("fail", 0, "one of so many requests to / is answered 500, as by a bad release; 0: none")
	drain := flags.Duration("drain", 5*time.Second, "longest wait for requests in flight at the end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	app := &service{
		name: *name, version: *version, pod: os.Getenv("HOSTNAME"),
		client:     &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32}},
		grpcHealth: health.NewServer(),
		propagate:  *propagate,
		failEvery:  *fail,
	}
	if *upstreams != "" {
		app.upstreams = strings.Split(*upstreams, ",")
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	failed := make(chan error, 4)

	server := &http.Server{Addr: *httpAddr, Handler: app.routes(), Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { failed <- server.ListenAndServe() }()

	rpc := grpc.NewServer(grpc.UnaryInterceptor(app.signed))
	testpb.RegisterTestServiceServer(rpc, interop.NewTestServer())
	healthpb.RegisterHealthServer(rpc, app.grpcHealth)
	app.grpcHealth.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
	if *grpcAddr != "" {
		listener, err := net.Listen("tcp", *grpcAddr)
		if err != nil {
			return err
		}
		go func() { failed <- rpc.Serve(listener) }()
	}
	for addr, handle := range map[string]func(net.Conn){*tcpAddr: echoAfterHalfClose, *greetAddr: app.greet} {
		if addr == "" {
			continue
		}
		listener, err := net.Listen("tcp", addr)
		if err != nil {
			return err
		}
		go func() { failed <- acceptAll(listener, handle) }()
	}
	if *tlsAddr != "" {
		config, err := tlsConfig()
		if err != nil {
			return err
		}
		listener, err := tls.Listen("tcp", *tlsAddr, config)
		if err != nil {
			return err
		}
		go func() { failed <- acceptAll(listener, app.tell) }()
	}
	log.Printf("%s %s serves http=%s grpc=%s tcp=%s greet=%s", *name, *version, *httpAddr, *grpcAddr, *tcpAddr, *greetAddr)

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

// signed says in a header of a unary call's answer which version gave it.
func (s *service) signed(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if err := grpc.SetHeader(ctx, metadata.Pairs("x-version", s.version)); err != nil {
		return nil, err
	}
	return handle(ctx, req)
}

func (s *service) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", s.describe)
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, err := strconv.Atoi(r.PathValue("code"))
		if err != nil || code < 200 || code > 599 {
			code = http.StatusBadRequest
		}
		w.Header().Set("x-version", s.version)
		w.WriteHeader(code)
	})
	// Answers with a status until the proxy of the caller says that this is a later try, so that retries are seen at work.
	mux.HandleFunc("/until/{try}/{code}", func(w http.ResponseWriter, r *http.Request) {
		wanted, _ := strconv.Atoi(r.PathValue("try"))
		code, _ := strconv.Atoi(r.PathValue("code"))
		try, err := strconv.Atoi(r.Header.Get("x-weft-attempt"))
		if err != nil {
			try = 1
		}
		if try < wanted && code >= 200 && code <= 599 {
			w.WriteHeader(code)
			return
		}
		s.describe(w, r)
	})
	mux.HandleFunc("/delay/{duration}", func(w http.ResponseWriter, r *http.Request) {
		wait, err := time.ParseDuration(r.PathValue("duration"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		select {
		case <-time.After(wait):
			s.describe(w, r)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-version", s.version)
		w.Header().Set("Trailer", "x-bytes")
		n, _ := io.Copy(w, r.Body)
		w.Header().Set("x-bytes", strconv.FormatInt(n, 10))
	})
	// Ends the program with this status, as a fault of its own would.
	mux.HandleFunc("POST /exit/{status}", func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.PathValue("status"))
		time.AfterFunc(100*time.Millisecond, func() { os.Exit(status) })
	})
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) {
		if s.failing.Load() {
			http.Error(w, "told to fail", http.StatusServiceUnavailable)
		}
	})
	// Turns the health of the application off and on, so that a test can see probes follow it.
	mux.HandleFunc("POST /health/{state}", func(w http.ResponseWriter, r *http.Request) {
		fail := r.PathValue("state") == "fail"
		s.failing.Store(fail)
		status := healthpb.HealthCheckResponse_SERVING
		if fail {
			status = healthpb.HealthCheckResponse_NOT_SERVING
		}
		s.grpcHealth.SetServingStatus("", status)
	})
	return mux
}

// answer is what a service says of itself and of the request it saw.
type answer struct {
	Service   string            `json:"service"`
	Version   string            `json:"version"`
	Pod       string            `json:"pod"`
	Method    string            `json:"method"`
	Path      string            `json:"path"`
	Host      string            `json:"host"`
	Protocol  string            `json:"protocol"`
	Peer      string            `json:"peer"`
	Headers   map[string]string `json:"headers"`
	Upstreams []json.RawMessage `json:"upstreams,omitempty"`
}

func (s *service) describe(w http.ResponseWriter, r *http.Request) {
	out := answer{Service: s.name, Version: s.version, Pod: s.pod, Method: r.Method, Path: r.URL.RequestURI(),
		Host: r.Host, Protocol: r.Proto, Peer: r.RemoteAddr, Headers: map[string]string{}}
	for name, values := range r.Header {
		out.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	w.Header().Set("x-version", s.version)
	if s.failEvery > 0 && s.described.Add(1)%s.failEvery == 0 {
		http.Error(w, "told to fail", http.StatusInternalServerError)
		return
	}
	w.Header().Set("content-type", "application/json")
	for _, url := range s.upstreams {
		body, version, err := s.call(r, url)
		if err != nil {
			http.Error(w, fmt.Sprintf("%s: %v", url, err), http.StatusBadGateway)
			return
		}
		w.Header().Add("x-upstream-version", version)
		out.Upstreams = append(out.Upstreams, body)
	}
	_ = json.NewEncoder(w).Encode(out)
}

// call forwards the headers that belong to the request as a whole, as applications in a mesh should, unless it was told not to.
func (s *service) call(r *http.Request, url string) (json.RawMessage, string, error) {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, url, nil)
	if err != nil {
		return nil, "", err
	}
	for _, name := range []string{"x-group", "x-lane", "x-weft-deadline", "traceparent"} {
		if value := r.Header.Get(name); s.propagate && value != "" {
			req.Header.Set(name, value)
		}
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, "", err
	}
	if res.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("%s (%s): %s", res.Status, res.Header.Get("x-weft-reason"), strings.TrimSpace(string(body)))
	}
	return body, res.Header.Get("x-version"), nil
}
