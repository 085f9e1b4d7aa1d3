package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// watch follows the health of a gRPC service, which sends nothing while it does not change, and fails when the stream ends early.
func watch(args []string) error {
	flags := flag.NewFlagSet("watch", flag.ExitOnError)
	address := flags.String("address", "", "host:port")
	open := flags.Duration("open", time.Minute, "how long the stream must stay open")
	if err := flags.Parse(args); err != nil {
		return err
	}
	conn, err := dial(*address)
	if err != nil {
		return err
	}
	defer conn.Close()
	// No deadline: whoever carries the stream would be told of it, and end it.
	ctx, cancel := context.WithCancel(context.Background())
	defer time.AfterFunc(*open, cancel).Stop()
	stream, err := healthpb.NewHealthClient(conn).Watch(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		return err
	}
	began, heard := time.Now(), 0
	for {
		if _, err = stream.Recv(); err != nil {
			break
		}
		heard++
	}
	if ctx.Err() == nil || heard == 0 {
		after := time.Since(began).Round(time.Second)
		return fmt.Errorf("%d messages, and after %s: %s", heard, after, status.Convert(err).Message())
	}
	fmt.Printf("ok: open for %s, %d messages\n", *open, heard)
	return nil
}
