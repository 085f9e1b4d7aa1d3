package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const token = "bench"

// startCluster runs etcd and an API server, with no controllers: nothing changes but what the benchmark changes.
func (w *world) startCluster(ctx context.Context) error {
	file := func(name string) string { return filepath.Join(w.dir, name) }
	const etcd = "http://127.0.0.1:2379"
	_, err := startDaemon(file("etcd.log"), nil, filepath.Join(w.bin, "etcd"),
		"--data-dir", file("etcd"), "--unsafe-no-fsync", "--log-level", "error",
		"--listen-client-urls", etcd, "--advertise-client-urls", etcd,
		"--listen-peer-urls", "http://127.0.0.1:2380", "--initial-advertise-peer-urls", "http://127.0.0.1:2380",
		"--initial-cluster", "default=http://127.0.0.1:2380")
	if err != nil {
		return err
	}
	if err := os.WriteFile(file("tokens.csv"), []byte(token+`,bench,bench,"system:masters"`), 0o600); err != nil {
		return err
	}
	if err := writeKey(file("service-accounts.key")); err != nil {
		return err
	}
	w.api = newAPI("https://127.0.0.1:6443")
	server, err := startDaemon(file("kube-apiserver.log"), nil, filepath.Join(w.bin, "kube-apiserver"),
		"--etcd-servers", etcd, "--secure-port", "6443", "--bind-address", "127.0.0.1",
		"--advertise-address", "10.128.0.1", "--endpoint-reconciler-type", "none", "--cert-dir", file("pki"),
		"--service-cluster-ip-range", "10.96.0.0/12", "--authorization-mode", "AlwaysAllow",
		"--token-auth-file", file("tokens.csv"), "--disable-admission-plugins", "ServiceAccount",
		"--service-account-issuer", "https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file", file("service-accounts.key"),
		"--service-account-signing-key-file", file("service-accounts.key"))
	if err != nil {
		return err
	}
	err = server.until(ctx, 2*time.Minute, func() error {
		_, err := w.api.do(ctx, http.MethodGet, "/readyz", "", nil)
		return err
	})
	if err != nil {
		return err
	}
	w.kubeconfig = file("kubeconfig")
	return os.WriteFile(w.kubeconfig, fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: bench
clusters: [{name: bench, cluster: {server: "https://127.0.0.1:6443", insecure-skip-tls-verify: true}}]
users: [{name: bench, user: {token: %s}}]
contexts: [{name: bench, context: {cluster: bench, user: bench}}]
`, token), 0o600)
}

func writeKey(file string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}
