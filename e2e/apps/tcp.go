package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"flag"
	"fmt"
	"io"
	"net"
	"time"
)

func acceptAll(listener net.Listener, handle func(net.Conn)) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			handle(conn)
		}()
	}
}

// echoAfterHalfClose answers only once the client has closed its half: a proxy that loses FINs never gets an answer.
func echoAfterHalfClose(conn net.Conn) {
	body, err := io.ReadAll(io.LimitReader(conn, 64<<20))
	if err == nil {
		_, _ = conn.Write(body)
	}
}

// greet speaks first, then answers one line.
func (s *service) greet(conn net.Conn) {
	_, _ = fmt.Fprintf(conn, "220 %s %s ready\r\n", s.name, s.version)
	if line, err := bufio.NewReader(conn).ReadString('\n'); err == nil {
		_, _ = fmt.Fprintf(conn, "250 %s", line)
	}
}

// tcpClient sends random bytes, half-closes and compares what returns; with -greet it waits for the server first.
func tcpClient(args []string) error {
	flags := flag.NewFlagSet("tcp", flag.ExitOnError)
	address := flags.String("address", "", "host:port")
	size := flags.Int("size", 1<<20, "bytes to send")
	greet := flags.Bool("greet", false, "wait for the server's first line instead")
	timeout := flags.Duration("timeout", 20*time.Second, "for the whole exchange")
	if err := flags.Parse(args); err != nil {
		return err
	}
	start := time.Now()
	conn, err := net.DialTimeout("tcp", *address, *timeout)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(start.Add(*timeout))
	if *greet {
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			return fmt.Errorf("no greeting: %w", err)
		}
		fmt.Printf("greeting after %d ms: %s", time.Since(start).Milliseconds(), line)
		return nil
	}
	sent := make([]byte, *size)
	_, _ = rand.Read(sent)
	if _, err := conn.Write(sent); err != nil {
		return err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	received, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	if !bytes.Equal(sent, received) {
		return fmt.Errorf("sent %d bytes, %d other bytes returned", len(sent), len(received))
	}
	fmt.Printf("ok: %d bytes returned after the half-close\n", len(received))
	return nil
}
