// The control plane as it ships, on one core, against a real API server, with proxies that speak the real protocol over
// mutual TLS and carry no traffic. Run it by run.sh, which makes a network namespace for it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// world is what one run has: sizes, places, and what it has started.
type world struct {
	dir, bin, crds, node, bundle, front, core string
	services, proxies                         int
	seconds                                   int
	smoke, reporting                          bool

	api        *api
	kubeconfig string
	podUID     string
	podUIDs    []string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == admissionsCommand {
		runAdmissions()
		return
	}
	w := &world{}
	flag.StringVar(&w.dir, "dir", "", "folder for the state and the logs of this run")
	flag.StringVar(&w.bin, "bin", "", "folder with etcd and kube-apiserver")
	flag.StringVar(&w.crds, "crds", "", "folder with the CRDs")
	flag.StringVar(&w.node, "node", "node", "Node.js")
	flag.StringVar(&w.bundle, "bundle", "", "weft.mjs to measure")
	flag.StringVar(&w.front, "front", "", "weft-proxy, which the bundle starts as its front")
	flag.StringVar(&w.core, "core", "0", "core that the control plane has")
	flag.IntVar(&w.services, "services", 1000, "services, of ten endpoints each")
	flag.IntVar(&w.proxies, "proxies", 5000, "proxies, at most five times the services")
	flag.IntVar(&w.seconds, "seconds", 20, "time of each measurement")
	flag.BoolVar(&w.smoke, "smoke", false, "judge only what no slow machine can break")
	flag.BoolVar(&w.reporting, "telemetry", false, "also have proxies report traffic, and look at it")
	rounds := flag.Int("rounds", 1, "how often to measure, each time with a fresh process")
	name := flag.String("name", "this build", "what the bundle is called in the table")
	beside := flag.String("beside", "", "another weft.mjs, to be measured in turn with the first")
	besideName := flag.String("beside-name", "47f1727", "what that one is called")
	out := flag.String("out", "", "file for the figures, in JSON")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	measured := []*figures{{Name: *name, bundle: w.bundle}}
	if *beside != "" {
		measured = append(measured, &figures{Name: *besideName, bundle: *beside})
	}
	if err := w.run(ctx, measured, *rounds); err != nil {
		fmt.Fprintf(os.Stderr, "bench control plane: %v\nlogs are in %s\n", err, w.dir)
		os.Exit(1)
	}
	if *out != "" {
		if err := save(*out, measured); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	if !print(measured) {
		os.Exit(1)
	}
}

func (w *world) run(ctx context.Context, measured []*figures, rounds int) error {
	fmt.Printf("%d services, %d pods, %d proxies; the control plane on core %s\n",
		w.services, w.services*endpointsEach, w.proxies, w.core)
	if err := w.startCluster(ctx); err != nil {
		return err
	}
	if err := w.createObjects(ctx); err != nil {
		return err
	}
	for round := range rounds {
		for _, f := range measured {
			fmt.Printf("round %d of %d: %s\n", round+1, rounds, f.Name)
			w.bundle = f.bundle
			if err := w.round(ctx, f); err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
		}
	}
	return nil
}
