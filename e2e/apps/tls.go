package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"time"
)

// tlsConfig has a certificate of its own making: nobody checks it, since the tests are about which server was reached.
func tlsConfig() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	pair := tls.Certificate{Certificate: [][]byte{certificate}, PrivateKey: key}
	return &tls.Config{Certificates: []tls.Certificate{pair}}, nil
}

// tell says who answers, and for which name it was asked.
func (s *service) tell(conn net.Conn) {
	secure, ok := conn.(*tls.Conn)
	if ok && secure.Handshake() == nil {
		_, _ = fmt.Fprintf(conn, "%s for %s", s.version, secure.ConnectionState().ServerName)
	}
}

// tlsClient asks for a server name and prints what the server says.
func tlsClient(args []string) error {
	flags := flag.NewFlagSet("tls", flag.ExitOnError)
	address := flags.String("address", "", "host:port")
	name := flags.String("name", "", "server name to ask for")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	conn, err := tls.DialWithDialer(dialer, "tcp", *address, &tls.Config{ServerName: *name, InsecureSkipVerify: true})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = io.Copy(os.Stdout, conn)
	return err
}
