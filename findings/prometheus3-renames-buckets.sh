#!/usr/bin/env bash
# Guess: Prometheus stores the label `le` of a histogram's bucket as the application writes it, `le="1"`, and takes a page of
#   metrics whose response has no Content-Type for its text format.
# Seen (Prometheus 3, v0.316.0 of its module): the parser makes `1.0` of `1`, so that a query, a recording rule or an alert with
#   `le="1"` finds nothing any more; and a page without a Content-Type, or with text/html, is refused whole unless the scrape
#   configuration names a `fallback_scrape_protocol`.
# So: who writes metrics says `text/plain; version=0.0.4`, also behind a proxy; who writes queries about whole bounds spells them 1.0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat >go.mod <<'MOD'
module finding

go 1.26.0

require github.com/prometheus/prometheus v0.316.0
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

const page = `# TYPE seconds histogram
seconds_bucket{le="0.5"} 1
seconds_bucket{le="1"} 1
seconds_bucket{le="+Inf"} 1
seconds_sum 0.1
seconds_count 1
`

func main() {
	for _, contentType := range []string{"text/plain; version=0.0.4", "", "text/html"} {
		parser, err := textparse.New([]byte(page), contentType, labels.NewSymbolTable(), textparse.ParserOptions{})
		if err != nil {
			fmt.Printf("%q: refused\n", contentType)
			continue
		}
		for entry, err := parser.Next(); err == nil; entry, err = parser.Next() {
			var set labels.Labels
			if entry != textparse.EntrySeries {
				continue
			}
			if parser.Labels(&set); set.Has("le") {
				fmt.Printf("%q: le is %s\n", contentType, set.Get("le"))
			}
		}
	}
}
GO
GOFLAGS=-mod=mod GOTOOLCHAIN=auto go run . 2>log | tee seen || { cat log; exit 1; }
diff - seen <<'SEEN'
"text/plain; version=0.0.4": le is 0.5
"text/plain; version=0.0.4": le is 1.0
"text/plain; version=0.0.4": le is +Inf
"": refused
"text/html": refused
SEEN
echo 'as described above'
