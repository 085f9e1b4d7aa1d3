package main

import (
	"context"
	"flag"
	"net"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	kind "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// checker answers the questions of proxies: callers of a service account it knows may pass, except below /denied.
type checker struct {
	auth.UnimplementedAuthorizationServer
	account string
}

// check serves envoy.service.auth.v3.Authorization.
func check(args []string) error {
	flags := flag.NewFlagSet("check", flag.ExitOnError)
	listen := flags.String("listen", ":9191", "address")
	account := flags.String("account", "", "callers whose SPIFFE ID ends so may pass")
	if err := flags.Parse(args); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	auth.RegisterAuthorizationServer(server, checker{account: *account})
	return server.Serve(listener)
}

func (c checker) Check(_ context.Context, question *auth.CheckRequest) (*auth.CheckResponse, error) {
	attributes := question.GetAttributes()
	principal := attributes.GetSource().GetPrincipal()
	path := attributes.GetRequest().GetHttp().GetPath()
	if !strings.HasSuffix(principal, c.account) || strings.HasPrefix(path, "/denied") {
		return &auth.CheckResponse{
			Status: &status.Status{Code: int32(codes.PermissionDenied)},
			HttpResponse: &auth.CheckResponse_DeniedResponse{DeniedResponse: &auth.DeniedHttpResponse{
				Status:  &kind.HttpStatus{Code: kind.StatusCode_Unauthorized},
				Headers: []*core.HeaderValueOption{set("x-checked", "denied")},
				Body:    "not you, " + principal,
			}},
		}, nil
	}
	return &auth.CheckResponse{
		Status: &status.Status{Code: int32(codes.OK)},
		HttpResponse: &auth.CheckResponse_OkResponse{OkResponse: &auth.OkHttpResponse{
			ResponseHeadersToAdd: []*core.HeaderValueOption{set("x-checked", "allowed")},
		}},
	}, nil
}

func set(name, value string) *core.HeaderValueOption {
	return &core.HeaderValueOption{Header: &core.HeaderValue{Key: name, Value: value}}
}
