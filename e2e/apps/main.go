// Command testapp is every application of the demo shop and of the end-to-end tests, in one static binary:
//
//	testapp serve    an HTTP/1.1 + HTTP/2, gRPC and TCP service that says who it is and may call others
//	testapp target   a service whose latency, failures and capacity a scenario sets while it runs
//	testapp load     a client that offers a bounded rate of requests and reports what came back
//	testapp sessions holds calls, streams and connections while their server changes
//	testapp wire     carries frames between two links, and loses, delays, reorders or swallows some
//	testapp grpc     a client for the four kinds of gRPC call, trailers included
//	testapp tcp      a client that half-closes and checks the bytes that return
//	testapp tls      asks a TLS server for a name and prints what it says
//	testapp post     one empty POST, for the switches an application has
//	testapp request  one HTTP request, and all that came back, as JSON
//	testapp call     unary gRPC calls, and all that came back, as JSON
//	testapp watch    a gRPC stream on which nothing is said for long
//	testapp check    a server of Envoy's external authorization, which proxies ask
//	testapp agree    the same, a rate limit service and a collector of traces that say yes to everything, for measurements
package main

import (
	"fmt"
	"os"
)

var commands = map[string]func(args []string) error{
	"serve":    serve,
	"target":   runTarget,
	"load":     load,
	"sessions": sessions,
	"wire":     runWire,
	"grpc":     grpcClient,
	"tcp":      tcpClient,
	"tls":      tlsClient,
	"post":     post,
	"request":  request,
	"call":     call,
	"watch":    watch,
	"check":    check,
	"agree":    agree,
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: testapp serve|target|load|sessions|wire|grpc|tcp|tls|post|request|call|watch|check|agree [flags]; testapp COMMAND -h explains one")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "testapp %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
