// Command kind-config-check reads a kind cluster configuration the way kind itself does: into
// kind's own v1alpha4 types, refusing every field that they do not know. It stands in for a run
// of kind on machines that have no Docker.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

const apiVersion = "kind.x-k8s.io/v1alpha4"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: kind-config-check FILE")
		os.Exit(2)
	}
	cluster, err := load(os.Args[1])
	if err != nil {
		fmt.Fprintf(os.Stderr, "kind-config-check: %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
	fmt.Printf("%s: cluster %q, ipFamily %s, %d node(s)\n",
		os.Args[1], cluster.Name, cluster.Networking.IPFamily, len(cluster.Nodes))
	for _, node := range cluster.Nodes {
		fmt.Printf("  %s %s\n", node.Role, node.Image)
	}
}

func load(path string) (*v1alpha4.Cluster, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	decoder.KnownFields(true)
	cluster := &v1alpha4.Cluster{}
	if err := decoder.Decode(cluster); err != nil {
		return nil, fmt.Errorf("not a kind configuration: %w", err)
	}
	if err := decoder.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("holds more than one document; kind reads only the first")
	}
	if cluster.APIVersion != apiVersion || cluster.Kind != "Cluster" {
		return nil, fmt.Errorf("is %s %s, expected %s Cluster", cluster.APIVersion, cluster.Kind, apiVersion)
	}
	v1alpha4.SetDefaultsCluster(cluster)
	return cluster, requireDualStack(cluster)
}

// requireDualStack checks the one property that the mesh's tests cannot do without.
func requireDualStack(cluster *v1alpha4.Cluster) error {
	if cluster.Networking.IPFamily != v1alpha4.DualStackFamily {
		return fmt.Errorf("networking.ipFamily is %q, set it to %q: the tests speak IPv4 and IPv6",
			cluster.Networking.IPFamily, v1alpha4.DualStackFamily)
	}
	return nil
}
