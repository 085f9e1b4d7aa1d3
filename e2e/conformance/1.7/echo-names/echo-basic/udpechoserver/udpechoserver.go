// Package udpechoserver has the name that the suite's UDPRoute tests use.
package udpechoserver

// EchoResponse is the echo server's answer.
type EchoResponse struct {
	Pod string `json:"pod"`
}
