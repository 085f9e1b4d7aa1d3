#!/usr/bin/env bash
# Guess: an analysis that has no data, because nobody asked the new version anything, does not count for it.
# Seen (Argo Rollouts 1.10.1): the share of failures of no requests is 0/0, which Prometheus answers with NaN, and NaN is below no bound: with a
#   `failureCondition` alone such a measurement is Successful, and the version is released; with a `successCondition` alone it is Failed.
#   An empty result is an Error with either, whose limit is another one. Flagger 1.44 takes NaN and nothing both for "no values found".
# So: queries divide by what is above 0, so that no requests give no result, and both conditions ask whether there is one: neither holds then, and the
#   measurement is Inconclusive.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat >go.mod <<'MOD'
module finding

go 1.26.1

require github.com/argoproj/argo-rollouts v1.10.1
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"io"
	"math"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/utils/evaluate"
	"github.com/sirupsen/logrus"
)

func main() {
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	metrics := []struct {
		name   string
		metric v1alpha1.Metric
	}{
		{"failure alone", v1alpha1.Metric{FailureCondition: "result[0] < 0.99"}},
		{"success alone", v1alpha1.Metric{SuccessCondition: "result[0] >= 0.99"}},
		{"both, if there is one", v1alpha1.Metric{
			SuccessCondition: "len(result) > 0 && result[0] >= 0.99",
			FailureCondition: "len(result) > 0 && result[0] < 0.99",
		}},
	}
	for _, each := range metrics {
		for _, result := range [][]float64{{1}, {0.5}, {math.NaN()}, {}} {
			phase, _ := evaluate.EvaluateResult(result, each.metric, *logrus.NewEntry(quiet))
			fmt.Printf("%s: %v is %s\n", each.name, result, phase)
		}
	}
}
GO
GOFLAGS=-mod=mod GOTOOLCHAIN=auto go run . 2>log | tee seen || { cat log; exit 1; }
diff - seen <<'SEEN'
failure alone: [1] is Successful
failure alone: [0.5] is Failed
failure alone: [NaN] is Successful
failure alone: [] is Error
success alone: [1] is Successful
success alone: [0.5] is Failed
success alone: [NaN] is Failed
success alone: [] is Error
both, if there is one: [1] is Successful
both, if there is one: [0.5] is Failed
both, if there is one: [NaN] is Inconclusive
both, if there is one: [] is Inconclusive
SEEN
echo 'as described above'
