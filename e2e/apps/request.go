package main

import (
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// response is what came back for one request, as request prints it.
type response struct {
	Status int `json:"status"`
	// Names in lower case; of a repeated one the values are joined by commas.
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	// From sending the request to the last byte of the answer.
	Millis int64 `json:"millis"`
}

// request sends one HTTP request, follows no redirect, and prints what came back as JSON.
func request(args []string) error {
	flags := flag.NewFlagSet("request", flag.ExitOnError)
	url := flags.String("url", "", "where to")
	method := flags.String("method", http.MethodGet, "method")
	host := flags.String("host", "", "Host header; default: that of the URL")
	headers := flags.String("headers", "", "name=value;name=value")
	text := flags.String("body", "", "body")
	if err := flags.Parse(args); err != nil {
		return err
	}
	req, err := http.NewRequest(*method, *url, strings.NewReader(*text))
	if err != nil {
		return err
	}
	req.Host = *host
	for _, pair := range strings.Split(*headers, ";") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			req.Header.Set(name, value)
		}
	}
	client := &http.Client{
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	start := time.Now()
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	out := response{Status: res.StatusCode, Headers: joined(res.Header), Body: string(body),
		Millis: time.Since(start).Milliseconds()}
	return json.NewEncoder(os.Stdout).Encode(out)
}

func joined(headers map[string][]string) map[string]string {
	out := map[string]string{}
	for name, values := range headers {
		out[strings.ToLower(name)] = strings.Join(values, ",")
	}
	return out
}
