package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// The real proxy's times: proxy/src/tls and proxy/src/xds/client.rs.
const (
	connectTimeout = time.Second
	tlsTimeout     = 5 * time.Second
	firstPause     = 100 * time.Millisecond
	longestPause   = 5 * time.Second
	pingAfter      = 10 * time.Second
)

const configPort = "15112"

// proxy speaks the protocol of a proxy and remembers versions; it carries no traffic.
type proxy struct {
	fleet        *fleet
	uid          string
	ip           net.IP
	certificate  tls.Certificate
	service      int
	destinations []int

	mu    sync.Mutex
	held  map[string]string
	extra bool
	out   *io.PipeWriter

	// While there is one.
	connection atomic.Pointer[http2.ClientConn]
}

// fleet is all proxies, and what is counted of them together.
type fleet struct {
	proxies []*proxy
	byName  map[string]int
	roots   *x509.CertPool
	// Connections that were opened: where nobody listens, asking costs nobody anything.
	attempts atomic.Int64
	timeouts atomic.Int64
	served   atomic.Int64
	// First reports of traffic on streams of them.
	reported atomic.Int64
	// By service: the change under way, and how many proxies are to get it.
	changes     []atomic.Pointer[change]
	subscribers []int
	servedAt    []time.Time
}

// change is one change of an endpoint on its way to the proxies.
type change struct {
	start time.Time
	want  int64
	got   atomic.Int64
	done  chan time.Duration
}

func (c *change) arrived() {
	if c.got.Add(1) == c.want {
		c.done <- time.Since(c.start)
	}
}

// run keeps a stream open until the context ends.
func (p *proxy) run(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		worked, err := p.stream(ctx)
		if ctx.Err() != nil {
			return
		}
		var slow net.Error
		if errors.As(err, &slow) && slow.Timeout() {
			p.fleet.timeouts.Add(1)
		}
		if worked {
			pause = firstPause
		}
		wait := pause/2 + rand.N(pause/2)
		pause = min(2*pause, longestPause)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

func (p *proxy) connect(ctx context.Context) (*tls.Conn, error) {
	dialer := net.Dialer{Timeout: connectTimeout, LocalAddr: &net.TCPAddr{IP: p.ip}}
	raw, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(controlPlaneIP, configPort))
	if err != nil {
		return nil, err
	}
	p.fleet.attempts.Add(1)
	conn := tls.Client(raw, &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}, Certificates: []tls.Certificate{p.certificate},
		// The name is a SPIFFE identity, which crypto/tls does not check: the chain is.
		InsecureSkipVerify: true, VerifyConnection: p.fleet.verify,
	})
	handshake, cancel := context.WithTimeout(ctx, tlsTimeout)
	defer cancel()
	if err := conn.HandshakeContext(handshake); err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}

func (f *fleet) verify(state tls.ConnectionState) error {
	intermediates := x509.NewCertPool()
	for _, certificate := range state.PeerCertificates[1:] {
		intermediates.AddCert(certificate)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: f.roots, Intermediates: intermediates})
	return err
}

var transport = &http2.Transport{ReadIdleTimeout: pingAfter, DisableCompression: true}

// stream runs one connection with its stream to their end, and says whether an answer came.
func (p *proxy) stream(ctx context.Context) (bool, error) {
	conn, err := p.connect(ctx)
	if err != nil {
		return false, err
	}
	// A request whose body is a pipe does not notice by itself that its context ended.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	connection, err := transport.NewClientConn(conn)
	if err != nil {
		return false, err
	}
	const method = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
	out, body, err := open(ctx, connection, method)
	if err != nil {
		return false, err
	}
	defer body.Close()
	defer out.Close()
	p.connection.Store(connection)
	defer p.connection.Store(nil)
	if err := p.begin(out); err != nil {
		return false, err
	}
	defer p.end()
	return p.read(body, out)
}

// open begins a stream of messages both ways.
func open(ctx context.Context, connection *http2.ClientConn, method string) (*io.PipeWriter, io.ReadCloser, error) {
	in, out := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://control-plane"+method, in)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", "application/grpc")
	resp, err := connection.RoundTrip(req)
	if err != nil {
		out.Close()
		return nil, nil, err
	}
	return out, resp.Body, nil
}

func (p *proxy) begin(out *io.PipeWriter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out = out
	names := make([]string, 0, len(p.destinations))
	held := map[string]string{}
	for _, service := range p.destinations {
		name := destination(service)
		names = append(names, name)
		if version, ok := p.held[name]; ok {
			held[name] = version
		}
	}
	own := map[string]string{}
	if version, ok := p.held[p.uid]; ok {
		own[p.uid] = version
	}
	first := request{node: p.uid, typeURL: workloadType, subscribe: []string{p.uid}, held: own}
	if _, err := out.Write(first.frame()); err != nil {
		return err
	}
	_, err := out.Write(request{typeURL: destinationType, subscribe: names, held: held}.frame())
	return err
}

func (p *proxy) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out = nil
	p.extra = false
}

// toggle subscribes to one more destination, or leaves it.
func (p *proxy) toggle(service int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out == nil {
		return
	}
	names := []string{destination(service)}
	change := request{typeURL: destinationType, subscribe: names}
	if p.extra {
		change = request{typeURL: destinationType, unsubscribe: names}
	}
	p.extra = !p.extra
	p.out.Write(change.frame())
}

func (p *proxy) read(body io.Reader, out io.Writer) (bool, error) {
	asked := map[string]bool{}
	buffer := make([]byte, 4096)
	for {
		message, err := readMessage(body, &buffer)
		if err != nil {
			return len(asked) > 0, err
		}
		response, err := parseResponse(message)
		if err != nil {
			return true, err
		}
		p.apply(response)
		if !asked[response.typeURL] {
			asked[response.typeURL] = true
			if len(asked) == 2 {
				p.fleet.wasServed()
			}
		}
		if _, err := out.Write((request{typeURL: response.typeURL, nonce: response.nonce}).frame()); err != nil {
			return true, err
		}
	}
}

func readMessage(body io.Reader, buffer *[]byte) ([]byte, error) {
	var prefix [5]byte
	if _, err := io.ReadFull(body, prefix[:]); err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint32(prefix[1:]))
	if length > len(*buffer) {
		*buffer = make([]byte, length)
	}
	message := (*buffer)[:length]
	_, err := io.ReadFull(body, message)
	return message, err
}

func (p *proxy) apply(r response) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, resource := range r.resources {
		if p.held[resource.name] == resource.version {
			continue
		}
		p.held[resource.name] = resource.version
		service, isDestination := p.fleet.byName[resource.name]
		if !isDestination || !slices.Contains(p.destinations, service) {
			continue
		}
		if change := p.fleet.changes[service].Load(); change != nil {
			change.arrived()
		}
	}
	for _, name := range r.removed {
		delete(p.held, name)
	}
}

// wasServed notes the moment at which one more proxy has all that it asked for.
func (f *fleet) wasServed() {
	if n := f.served.Add(1); int(n) <= len(f.servedAt) {
		f.servedAt[n-1] = time.Now()
	}
}

// restartCount begins to count anew; call it when no stream is open, or all are about to be opened again.
func (f *fleet) restartCount() {
	f.attempts.Store(0)
	f.timeouts.Store(0)
	f.served.Store(0)
	f.servedAt = make([]time.Time, len(f.proxies))
}

// untilServed waits until every proxy has all that it asked for.
func (f *fleet) untilServed(ctx context.Context, limit time.Duration) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if int(f.served.Load()) >= len(f.proxies) {
			return true
		}
	}
	return false
}
