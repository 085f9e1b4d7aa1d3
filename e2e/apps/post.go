package main

import (
	"flag"
	"fmt"
	"net/http"
)

// post sends one empty POST, for the switches an application has.
func post(args []string) error {
	flags := flag.NewFlagSet("post", flag.ExitOnError)
	url := flags.String("url", "", "where to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	res, err := http.Post(*url, "text/plain", http.NoBody)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s", res.Status)
	}
	return nil
}
