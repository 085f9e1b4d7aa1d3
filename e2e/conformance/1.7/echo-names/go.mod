// The suite imports sigs.k8s.io/gateway-api-conformance-images, which the Go module proxy does not serve, for types of its
// gateway tests. The mesh tests use none of them; here are the names, so that the package compiles.
module sigs.k8s.io/gateway-api-conformance-images

go 1.27.0

require google.golang.org/grpc v1.84.0

require (
	golang.org/x/net v0.57.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/text v0.40.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260706201446-f0a921348800 // indirect
	google.golang.org/protobuf v1.36.11 // indirect
)
