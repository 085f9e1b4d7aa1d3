// Package grpcechoserver has the names that the suite's GRPCRoute tests of gateways use.
package grpcechoserver

import (
	"context"
	"errors"

	"google.golang.org/grpc"
)

var errNamesOnly = errors.New("only the names of the echo service are here; the mesh tests do not call it")

// EchoRequest asks for an echo.
type EchoRequest struct{}

// Context is where the echo server runs.
type Context struct{}

// GetNamespace is that of its pod.
func (*Context) GetNamespace() string { return "" }

// GetPod is its pod's name.
func (*Context) GetPod() string { return "" }

// Assertions is what the echo server saw.
type Assertions struct{}

// GetFullyQualifiedMethod is the path of the call.
func (*Assertions) GetFullyQualifiedMethod() string { return "" }

// GetContext tells where it was seen.
func (*Assertions) GetContext() *Context { return nil }

// EchoResponse is the echo.
type EchoResponse struct{}

// GetAssertions is its content.
func (*EchoResponse) GetAssertions() *Assertions { return nil }

// GrpcEchoClient calls the echo service.
type GrpcEchoClient struct{}

// NewGrpcEchoClient makes a client that fails each call.
func NewGrpcEchoClient(grpc.ClientConnInterface) GrpcEchoClient { return GrpcEchoClient{} }

// Echo fails.
func (GrpcEchoClient) Echo(context.Context, *EchoRequest, ...grpc.CallOption) (*EchoResponse, error) {
	return nil, errNamesOnly
}

// EchoTwo fails.
func (GrpcEchoClient) EchoTwo(context.Context, *EchoRequest, ...grpc.CallOption) (*EchoResponse, error) {
	return nil, errNamesOnly
}

// EchoThree fails.
func (GrpcEchoClient) EchoThree(context.Context, *EchoRequest, ...grpc.CallOption) (*EchoResponse, error) {
	return nil, errNamesOnly
}
