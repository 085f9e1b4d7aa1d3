package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"

	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	limits "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"
)

// agreeable answers whatever proxies ask as quickly as it can, for measurements of what asking costs them. It counts what it was asked.
type agreeable struct {
	auth.UnimplementedAuthorizationServer
	limits.UnimplementedRateLimitServiceServer
	checks, limits, exports atomic.Int64
}

// agree serves Envoy's external authorization, which lets in all but what is below /denied, Envoy's rate limit service, of which no limit
// is ever exhausted, and a collector of OTLP, which forgets what it is told. GET /counts of the other address says how often each was asked.
func agree(args []string) error {
	flags := flag.NewFlagSet("agree", flag.ExitOnError)
	listen := flags.String("listen", ":8081", "address of gRPC")
	counts := flags.String("http", ":8080", "address of /counts")
	if err := flags.Parse(args); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	served := &agreeable{}
	server := grpc.NewServer(grpc.UnknownServiceHandler(served.export))
	auth.RegisterAuthorizationServer(server, served)
	limits.RegisterRateLimitServiceServer(server, served)
	failed := make(chan error, 2)
	go func() { failed <- server.Serve(listener) }()
	go func() { failed <- http.ListenAndServe(*counts, http.HandlerFunc(served.tell)) }()
	return <-failed
}

func (a *agreeable) Check(_ context.Context, question *auth.CheckRequest) (*auth.CheckResponse, error) {
	a.checks.Add(1)
	code := codes.OK
	if strings.HasPrefix(question.GetAttributes().GetRequest().GetHttp().GetPath(), "/denied") {
		code = codes.PermissionDenied
	}
	return &auth.CheckResponse{Status: &status.Status{Code: int32(code)}}, nil
}

func (a *agreeable) ShouldRateLimit(context.Context, *limits.RateLimitRequest) (*limits.RateLimitResponse, error) {
	a.limits.Add(1)
	return &limits.RateLimitResponse{OverallCode: limits.RateLimitResponse_OK}, nil
}

// export takes what no service above does. Of OTLP all answers that say nothing are those of success.
func (a *agreeable) export(_ any, stream grpc.ServerStream) error {
	for {
		switch err := stream.RecvMsg(&emptypb.Empty{}); {
		case errors.Is(err, io.EOF):
			a.exports.Add(1)
			return stream.SendMsg(&emptypb.Empty{})
		case err != nil:
			return err
		}
	}
}

func (a *agreeable) tell(response http.ResponseWriter, _ *http.Request) {
	_ = json.NewEncoder(response).Encode(map[string]int64{
		"checks": a.checks.Load(), "limits": a.limits.Load(), "exports": a.exports.Load(),
	})
}
