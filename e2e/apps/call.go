package main

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// calls is what came back for some unary calls, as call prints it.
type calls struct {
	// Calls by status code, such as OK and Unimplemented.
	Codes map[string]int `json:"codes"`
	// Calls by x-version header.
	Versions map[string]int `json:"versions"`
	// Of the last call.
	Message string            `json:"message"`
	Headers map[string]string `json:"headers"`
}

// call makes unary gRPC calls with an empty message, on one connection, and prints what came back as JSON.
func call(args []string) error {
	flags := flag.NewFlagSet("call", flag.ExitOnError)
	address := flags.String("address", "", "host:port")
	method := flags.String("method", "/grpc.testing.TestService/EmptyCall", "what to call")
	headers := flags.String("headers", "", "name=value;name=value")
	authority := flags.String("authority", "", "the :authority pseudo-header; default: the address")
	count := flags.Int("count", 1, "calls")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var options []grpc.DialOption
	if *authority != "" {
		options = append(options, grpc.WithAuthority(*authority))
	}
	conn, err := dial(*address, options...)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, pair := range strings.Split(*headers, ";") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			ctx = metadata.AppendToOutgoingContext(ctx, name, value)
		}
	}
	out := calls{Codes: map[string]int{}, Versions: map[string]int{}}
	for range *count {
		var header metadata.MD
		err := conn.Invoke(ctx, *method, &testpb.Empty{}, &testpb.Empty{}, grpc.Header(&header))
		out.Codes[status.Code(err).String()]++
		out.Message = status.Convert(err).Message()
		out.Headers = joined(header)
		if version := out.Headers["x-version"]; version != "" {
			out.Versions[version]++
		}
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}
