package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// dial connects to a gRPC server as applications do, in plain text: encryption is the mesh's.
func dial(address string, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	plain := grpc.WithTransportCredentials(insecure.NewCredentials())
	return grpc.NewClient(address, append(options, plain)...)
}

// grpcClient runs the cases of gRPC's own interoperability suite; each ends the process when it fails.
func grpcClient(args []string) error {
	cases := map[string]func(context.Context, testpb.TestServiceClient){
		"unary":     func(ctx context.Context, c testpb.TestServiceClient) { interop.DoLargeUnaryCall(ctx, c) },
		"client":    func(ctx context.Context, c testpb.TestServiceClient) { interop.DoClientStreaming(ctx, c) },
		"server":    func(ctx context.Context, c testpb.TestServiceClient) { interop.DoServerStreaming(ctx, c) },
		"bidi":      func(ctx context.Context, c testpb.TestServiceClient) { interop.DoPingPong(ctx, c) },
		"trailers":  func(ctx context.Context, c testpb.TestServiceClient) { interop.DoCustomMetadata(ctx, c) },
		"status":    func(ctx context.Context, c testpb.TestServiceClient) { interop.DoStatusCodeAndMessage(ctx, c) },
		"cancelled": func(ctx context.Context, c testpb.TestServiceClient) { interop.DoCancelAfterFirstResponse(ctx, c) },
	}
	flags := flag.NewFlagSet("grpc", flag.ExitOnError)
	address := flags.String("address", "", "host:port")
	names := flags.String("cases", "unary,client,server,bidi,trailers,status,cancelled", "cases to run")
	if err := flags.Parse(args); err != nil {
		return err
	}
	conn, err := dial(*address)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client := testpb.NewTestServiceClient(conn)
	for _, name := range strings.Split(*names, ",") {
		run, known := cases[name]
		if !known {
			return fmt.Errorf("no case %q", name)
		}
		run(ctx, client)
		fmt.Println("ok:", name)
	}
	return nil
}
