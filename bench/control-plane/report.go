package main

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers and measures are those of src/wire/proto/weft/telemetry.

const (
	measureOK      = 0
	measureLatency = 16
	tlsMutual      = 1
)

// edge is what counts belong to.
type edge struct {
	outbound           bool
	destination, route string
	peer               string
}

// paceTold is what the control plane says of the time between reports.
type paceTold struct {
	pace time.Duration
	now  bool
}

func firstReport(uid string) []byte {
	return framed(appendText(make([]byte, 5, 64), 1, uid))
}

// counted is a report: names of edges, if the stream has not named them yet, and for so many that they had requests.
func counted(edges []edge, count int, covers time.Duration) []byte {
	body := make([]byte, 5, 1024)
	for _, e := range edges {
		direction := uint64(2)
		if e.outbound {
			direction = 1
		}
		name := appendText(appendNumber(nil, 1, direction), 2, e.destination)
		if e.outbound {
			name = appendText(appendText(name, 3, e.destination), 4, e.route)
		}
		body = appendMessage(body, 2, appendNumber(appendText(name, 5, e.peer), 6, tlsMutual))
	}
	for i := range count {
		grown := []byte{}
		// Of different latency, so that more than one bucket is kept.
		for _, number := range []uint64{measureOK, perReport, measureLatency + uint64(i%5), perReport} {
			grown = protowire.AppendVarint(grown, number)
		}
		body = appendMessage(body, 3, appendMessage(appendNumber(nil, 1, uint64(i)), 2, grown))
	}
	return framed(appendNumber(body, 4, uint64(covers.Milliseconds())))
}

func appendNumber(b []byte, field protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), value)
}

func parsePace(b []byte) paceTold {
	told := paceTold{pace: usualPace}
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return told
		}
		b = b[n:]
		value, n := protowire.ConsumeVarint(b)
		if kind != protowire.VarintType || n < 0 {
			return told
		}
		b = b[n:]
		switch {
		case field == 1 && value > 0:
			told.pace = time.Duration(value) * time.Millisecond
		case field == 2:
			told.now = value != 0
		}
	}
	return told
}
