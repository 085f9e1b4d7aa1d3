package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/url"
	"sync/atomic"
	"time"
)

const destinationsEach = 20

// newFleet makes the proxies of the first pods, each with a certificate of the control plane's own issuer.
func (w *world) newFleet(ctx context.Context) (*fleet, error) {
	secret, err := w.api.get(ctx, "/api/v1/namespaces/"+systemNamespace+"/secrets/weft-issuer")
	if err != nil {
		return nil, err
	}
	data, _ := secret["data"].(object)
	issuer, err := tls.X509KeyPair(decoded(data["tls.crt"]), decoded(data["tls.key"]))
	if err != nil {
		return nil, err
	}
	f := &fleet{
		byName: map[string]int{}, roots: x509.NewCertPool(),
		changes: make([]atomic.Pointer[change], w.services), subscribers: make([]int, w.services),
	}
	f.roots.AppendCertsFromPEM(decoded(data["ca.crt"]))
	for service := range w.services {
		f.byName[destination(service)] = service
	}
	f.proxies = make([]*proxy, w.proxies)
	err = inParallel(w.proxies, 4, func(pod int) error {
		certificate, err := mint(issuer, identityOf(pod/endpointsEach))
		f.proxies[pod] = &proxy{
			fleet: f, uid: w.podUIDs[pod], ip: net.ParseIP(podIP(pod)), certificate: certificate,
			service: pod / endpointsEach, destinations: w.destinationsOf(pod / endpointsEach), held: map[string]string{},
		}
		return err
	})
	for _, p := range f.proxies {
		for _, service := range p.destinations {
			f.subscribers[service]++
		}
	}
	return f, err
}

// destinationsOf is the same for all pods of a service, and in every run. The service with the policy is left out.
func (w *world) destinationsOf(service int) []int {
	random := mathrand.New(mathrand.NewPCG(1, uint64(service)))
	chosen := random.Perm(w.services - 1)[:min(destinationsEach, w.services-1)]
	for i := range chosen {
		chosen[i]++
	}
	return chosen
}

func decoded(value any) []byte {
	text, _ := value.(string)
	bytes, _ := base64.StdEncoding.DecodeString(text)
	return bytes
}

func mint(issuer tls.Certificate, identity string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	name, err := url.Parse(identity)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, URIs: []*url.URL{name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(23 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.Leaf, key.Public(), issuer.PrivateKey)
	return tls.Certificate{Certificate: append([][]byte{der}, issuer.Certificate...), PrivateKey: key}, err
}

// newPool trusts the certificates of a PEM text.
func newPool(text []byte) *x509.CertPool {
	pool := x509.NewCertPool()
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if certificate, err := x509.ParseCertificate(block.Bytes); err == nil {
			pool.AddCert(certificate)
		}
	}
	return pool
}
