// Command coredns is CoreDNS with the plugins that a cluster's zone takes. Upstream's own command
// carries dozens more, with the client libraries of three clouds, and takes a minute longer to build.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/template"
)

func main() {
	// In the order in which a query passes them, which is upstream's.
	dnsserver.Directives = []string{
		"ready", "health", "errors", "log", "loadbalance", "template", "kubernetes",
	}
	coremain.Run()
}
