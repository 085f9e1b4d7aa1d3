// Open Policy Agent behind envoy.service.auth.v3: its engine evaluates data.envoy.authz.allow with the input, and understands the
// result, that users of its plug-in for Envoy write policies for. The plug-in itself is not served as a Go module.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/url"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	kind "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/open-policy-agent/opa/v1/rego"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
)

// decision is what a policy says, where it is not a boolean.
type decision struct {
	Allowed bool              `json:"allowed"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Status  int               `json:"http_status"`
	Answer  map[string]string `json:"response_headers_to_add"`
}

type server struct {
	auth.UnimplementedAuthorizationServer
	query rego.PreparedEvalQuery
}

func main() {
	listen := flag.String("listen", ":9191", "address")
	policy := flag.String("policy", "", "the policy, in Rego")
	flag.Parse()
	if err := serve(*listen, *policy); err != nil {
		log.Fatal(err)
	}
}

func serve(listen, policy string) error {
	query, err := rego.New(
		rego.Query("result = data.envoy.authz.allow"),
		rego.Module("policy.rego", policy),
		rego.StrictBuiltinErrors(true),
	).PrepareForEval(context.Background())
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	grpcServer := grpc.NewServer()
	auth.RegisterAuthorizationServer(grpcServer, server{query: query})
	return grpcServer.Serve(listener)
}

// Check answers with an error where the policy gives no decision, as the plug-in does.
func (s server) Check(ctx context.Context, question *auth.CheckRequest) (*auth.CheckResponse, error) {
	input, err := inputOf(question)
	if err != nil {
		return nil, err
	}
	results, err := s.query.Eval(ctx, rego.EvalInput(input))
	if err != nil {
		return nil, err
	}
	if len(results) != 1 {
		return nil, fmt.Errorf("the policy is undefined")
	}
	said, err := decided(results[0].Bindings["result"])
	if err != nil {
		return nil, err
	}
	return said.answer(), nil
}

// inputOf is what policies for Envoy read: the attributes of the question, and path, query and body taken apart.
func inputOf(question *auth.CheckRequest) (map[string]any, error) {
	written, err := protojson.MarshalOptions{UseProtoNames: false}.Marshal(question)
	if err != nil {
		return nil, err
	}
	input := map[string]any{}
	if err := json.Unmarshal(written, &input); err != nil {
		return nil, err
	}
	http := question.GetAttributes().GetRequest().GetHttp()
	target, err := url.Parse(http.GetPath())
	if err != nil {
		return nil, err
	}
	path := []any{}
	for _, segment := range strings.Split(strings.Trim(target.Path, "/"), "/") {
		path = append(path, segment)
	}
	input["parsed_path"] = path
	query := map[string]any{}
	for name, values := range target.Query() {
		all := []any{}
		for _, value := range values {
			all = append(all, value)
		}
		query[name] = all
	}
	input["parsed_query"] = query
	if strings.HasPrefix(http.GetHeaders()["content-type"], "application/json") && http.GetBody() != "" {
		decoder := json.NewDecoder(bytes.NewBufferString(http.GetBody()))
		decoder.UseNumber()
		var body any
		if err := decoder.Decode(&body); err != nil {
			return nil, err
		}
		input["parsed_body"] = body
	}
	return input, nil
}

func decided(result any) (decision, error) {
	if allowed, ok := result.(bool); ok {
		return decision{Allowed: allowed}, nil
	}
	written, err := json.Marshal(result)
	if err != nil {
		return decision{}, err
	}
	var said decision
	return said, json.Unmarshal(written, &said)
}

func (d decision) answer() *auth.CheckResponse {
	if d.Allowed {
		ok := &auth.OkHttpResponse{Headers: options(d.Headers), ResponseHeadersToAdd: options(d.Answer)}
		return &auth.CheckResponse{
			Status:       &status.Status{Code: int32(codes.OK)},
			HttpResponse: &auth.CheckResponse_OkResponse{OkResponse: ok},
		}
	}
	denied := &auth.DeniedHttpResponse{Headers: options(d.Headers), Body: d.Body}
	if d.Status != 0 {
		denied.Status = &kind.HttpStatus{Code: kind.StatusCode(d.Status)}
	}
	return &auth.CheckResponse{
		Status:       &status.Status{Code: int32(codes.PermissionDenied)},
		HttpResponse: &auth.CheckResponse_DeniedResponse{DeniedResponse: denied},
	}
}

func options(headers map[string]string) []*core.HeaderValueOption {
	all := make([]*core.HeaderValueOption, 0, len(headers))
	for name, value := range headers {
		all = append(all, &core.HeaderValueOption{Header: &core.HeaderValue{Key: name, Value: value}})
	}
	return all
}
