package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
)

// exchangeEvery is the pause between two exchanges of a session.
const exchangeEvery = 100 * time.Millisecond

// tally is what a run of sessions prints, as JSON.
type tally struct {
	mutex sync.Mutex
	// Exchanges that succeeded.
	Done int `json:"done"`
	// Calls and sessions that broke, by how.
	Broken map[string]int `json:"broken"`
	// Unix milliseconds at which the last of them broke; 0: none did.
	LastBad int64 `json:"lastBad"`
}

// sessions holds what lasts longer than a request while its server changes: unary calls at a rate, streams, connections.
// A session that breaks is counted by how, and begun anew.
func sessions(args []string) error {
	flags := flag.NewFlagSet("sessions", flag.ExitOnError)
	kind := flags.String("kind", "stream", "unary: gRPC calls at -rate; stream: gRPC streams; tcp: connections; websocket: the same over HTTP")
	address := flags.String("address", "", "host:port")
	count := flags.Int("count", 10, "streams or connections at a time")
	exchanges := flags.Int("exchanges", 0, "exchanges after which a stream or connection ends and another begins; 0: it never does")
	rate := flags.Float64("rate", 100, "unary calls a second")
	duration := flags.Duration("duration", 10*time.Second, "how long")
	if err := flags.Parse(args); err != nil {
		return err
	}
	conn, err := dial(*address, grpc.WithDisableRetry())
	if err != nil {
		return err
	}
	defer conn.Close()
	client := testpb.NewTestServiceClient(conn)
	interrupted, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ctx, cancel := context.WithTimeout(interrupted, *duration)
	defer cancel()
	out := &tally{Broken: map[string]int{}}
	var running sync.WaitGroup
	switch *kind {
	case "unary":
		due := make(chan time.Time)
		go pace(ctx, due, *rate, 0)
		for range due {
			running.Go(func() { out.note(unary(client)) })
		}
	case "stream", "tcp", "websocket":
		session := map[string]func() error{
			"stream":    func() error { return stream(ctx, client, out, *exchanges) },
			"tcp":       func() error { return connection(ctx, dialTCP(*address), out, *exchanges) },
			"websocket": func() error { return connection(ctx, dialWebSocket(*address), out, *exchanges) },
		}[*kind]
		for range *count {
			running.Go(func() {
				for ctx.Err() == nil {
					if err := session(); err != nil && ctx.Err() == nil {
						out.note(err)
						time.Sleep(exchangeEvery)
					}
				}
			})
		}
	default:
		return fmt.Errorf("no kind %q", *kind)
	}
	running.Wait()
	return json.NewEncoder(os.Stdout).Encode(out)
}

func unary(client testpb.TestServiceClient) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err := client.EmptyCall(ctx, &testpb.Empty{})
	return err
}

// stream exchanges messages until it breaks, which it never should by itself, or has made so many.
func stream(ctx context.Context, client testpb.TestServiceClient, out *tally, exchanges int) error {
	open, err := client.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	message := &testpb.StreamingOutputCallRequest{ResponseParameters: []*testpb.ResponseParameters{{Size: 1}}}
	for made := 0; ctx.Err() == nil; made++ {
		if exchanges > 0 && made == exchanges {
			_ = open.CloseSend()
			return nil
		}
		// The reason is in what is received.
		_ = open.Send(message)
		if _, err := open.Recv(); err != nil {
			return err
		}
		out.note(nil)
		time.Sleep(exchangeEvery)
	}
	return nil
}

func dialTCP(address string) func() (net.Conn, error) {
	return func() (net.Conn, error) { return net.DialTimeout("tcp", address, 5*time.Second) }
}

// dialWebSocket upgrades an HTTP/1.1 connection; what is written is one message.
func dialWebSocket(address string) func() (net.Conn, error) {
	return func() (net.Conn, error) {
		config, err := websocket.NewConfig("ws://"+address+webSocketPath, "http://"+address)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return config.DialContext(ctx)
	}
}

// connection exchanges bytes with an echo until it breaks, or has made so many exchanges.
func connection(ctx context.Context, dial func() (net.Conn, error), out *tally, exchanges int) error {
	conn, err := dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	buffer := []byte{'a'}
	for made := 0; ctx.Err() == nil && (exchanges == 0 || made < exchanges); made++ {
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := conn.Write(buffer); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, buffer); err != nil {
			return err
		}
		out.note(nil)
		time.Sleep(exchangeEvery)
	}
	return nil
}

func (t *tally) note(err error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if err == nil {
		t.Done++
		return
	}
	t.Broken[nameOf(err)]++
	t.LastBad = time.Now().UnixMilli()
}

// nameOf is one of few words for how something broke.
func nameOf(err error) string {
	switch known, isStatus := status.FromError(err); {
	case isStatus && known.Code() != codes.Unknown:
		return known.Code().String()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	default:
		return "other"
	}
}
