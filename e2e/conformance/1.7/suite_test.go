// Package conformance runs the official Gateway API suite against Weft, as it is published: this file only names it.
// What is asked of Weft stands in options.yaml, how it is run in run.sh.
package conformance

import (
	"testing"

	"sigs.k8s.io/gateway-api/conformance"
)

func TestConformance(t *testing.T) {
	conformance.RunConformance(t)
}
