// Files by Go's http.FileServer, over HTTP/1.1 and HTTP/2 on one port: files FOLDER ADDRESS
package main

import (
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// noted says in a response which file was opened for it.
type noted struct {
	http.Dir
	header http.Header
}

func (files noted) Open(name string) (http.File, error) {
	file, err := files.Dir.Open(name)
	if err == nil {
		files.header.Set("x-served", strings.Split(strings.TrimPrefix(name, "/"), "/")[0])
	}
	return file, err
}

func main() {
	handler := http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if len(request.Header.Values("x-group")) > 0 {
			response.Header().Set("x-read", url.PathEscape(request.Header.Get("x-group")))
		}
		http.FileServer(noted{http.Dir(os.Args[1]), response.Header()}).ServeHTTP(response, request)
	})
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Addr: os.Args[2], Handler: handler, Protocols: &protocols}
	log.Fatal(server.ListenAndServe())
}
