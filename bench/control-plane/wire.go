package main

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers are those of src/wire/proto.

const (
	workloadType    = "type.weft.dev/weft.v1.Workload"
	destinationType = "type.weft.dev/weft.v1.Destination"
)

// request is a DeltaDiscoveryRequest.
type request struct {
	node        string
	typeURL     string
	subscribe   []string
	unsubscribe []string
	held        map[string]string
	nonce       string
}

// response is what a proxy reads of a DeltaDiscoveryResponse: names with their versions, and names without a resource.
type response struct {
	typeURL   string
	nonce     string
	resources []resource
	removed   []string
}

type resource struct{ name, version string }

func (r request) frame() []byte {
	body := make([]byte, 5, 256)
	if r.node != "" {
		body = appendMessage(body, 1, appendText(nil, 1, r.node))
	}
	body = appendText(body, 2, r.typeURL)
	for _, name := range r.subscribe {
		body = appendText(body, 3, name)
	}
	for _, name := range r.unsubscribe {
		body = appendText(body, 4, name)
	}
	for name, version := range r.held {
		body = appendMessage(body, 5, appendText(appendText(nil, 1, name), 2, version))
	}
	if r.nonce != "" {
		body = appendText(body, 6, r.nonce)
	}
	return framed(body)
}

// framed fills in the prefix of a gRPC message, for which the first five bytes were left.
func framed(body []byte) []byte {
	length := len(body) - 5
	body[1], body[2], body[3], body[4] = byte(length>>24), byte(length>>16), byte(length>>8), byte(length)
	return body
}

func appendText(b []byte, field protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), text)
}

func appendMessage(b []byte, field protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), message)
}

var errMalformed = errors.New("a response is not what its type says")

func parseResponse(b []byte) (response, error) {
	var r response
	err := eachField(b, func(field protowire.Number, value []byte) error {
		switch field {
		case 2:
			res, err := parseResource(value)
			r.resources = append(r.resources, res)
			return err
		case 4:
			r.typeURL = string(value)
		case 5:
			r.nonce = string(value)
		case 6:
			r.removed = append(r.removed, string(value))
		}
		return nil
	})
	return r, err
}

func parseResource(b []byte) (resource, error) {
	var r resource
	err := eachField(b, func(field protowire.Number, value []byte) error {
		switch field {
		case 1:
			r.version = string(value)
		case 3:
			r.name = string(value)
		}
		return nil
	})
	return r, err
}

// eachField visits the fields of a message that hold bytes, and passes by the others.
func eachField(b []byte, visit func(protowire.Number, []byte) error) error {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errMalformed
		}
		b = b[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(field, kind, b); n < 0 {
				return errMalformed
			}
			b = b[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return errMalformed
		}
		b = b[n:]
		if err := visit(field, value); err != nil {
			return err
		}
	}
	return nil
}
