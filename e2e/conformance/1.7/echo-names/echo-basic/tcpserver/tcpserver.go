// Package tcpserver has the names that the suite's TCPRoute tests use.
package tcpserver

// WelcomeMessage is what the echo server says first.
const WelcomeMessage = ""

// TLSAssertion is what the echo server saw of the handshake.
type TLSAssertion struct {
	NegotiatedProtocol string `json:"negotiatedProtocol"`
	ServerName         string `json:"serverName"`
}

// TCPAssertions is the echo server's answer.
type TCPAssertions struct {
	Namespace    string       `json:"namespace"`
	Pod          string       `json:"pod"`
	TLSAssertion TLSAssertion `json:"tlsAssertion"`
}
