package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

const (
	endpointsEach     = 10
	servicesEach      = 50
	systemNamespace   = "weft-system"
	controlPlanePod   = "weft-bench"
	controlPlaneIP    = "10.128.0.1"
	servicePort       = 80
	unrelatedPods     = 50
	policiedService   = 0
	podOfNobodyPrefix = "nobody"
)

// The first half of the services is in namespaces of the mesh, and their pods have proxies.
func namespaceOf(service int) string { return fmt.Sprintf("ns-%02d", service/servicesEach) }
func serviceName(service int) string { return fmt.Sprintf("svc-%04d", service) }
func podName(pod int) string {
	return fmt.Sprintf("%s-%d", serviceName(pod/endpointsEach), pod%endpointsEach)
}
func podIP(pod int) string           { return fmt.Sprintf("10.128.%d.%d", 1+pod>>8, pod&255) }
func clusterIP(service int) string   { return fmt.Sprintf("10.96.%d.%d", 1+service>>8, service&255) }
func destination(service int) string { return fmt.Sprintf("ip/%s:%d", clusterIP(service), servicePort) }

func (w *world) meshed(service int) bool { return service < w.services/2 }

func (w *world) createObjects(ctx context.Context) error {
	if err := w.createDefinitions(ctx); err != nil {
		return err
	}
	if err := w.createFrame(ctx); err != nil {
		return err
	}
	w.podUIDs = make([]string, w.services*endpointsEach+unrelatedPods)
	err := inParallel(len(w.podUIDs), 32, func(pod int) error { return w.createPod(ctx, pod) })
	if err != nil {
		return err
	}
	return inParallel(w.services, 32, func(service int) error { return w.createService(ctx, service) })
}

// createDefinitions applies the CRDs of their chart, which has no values of its own.
func (w *world) createDefinitions(ctx context.Context) error {
	files, err := filepath.Glob(filepath.Join(w.crds, "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no CRDs in %s: %v", w.crds, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for document := range strings.SplitSeq(string(text), "\n---\n") {
			if !strings.Contains(document, "\nkind: CustomResourceDefinition\n") {
				continue
			}
			const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
			if _, err := w.api.do(ctx, http.MethodPost, path, "application/yaml", []byte(document)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *world) createFrame(ctx context.Context) error {
	for i := range (w.services + servicesEach - 1) / servicesEach {
		labels := object{}
		if w.meshed(i * servicesEach) {
			labels["weft.dev/inject"] = "enabled"
		}
		namespace := object{"metadata": object{"name": namespaceOf(i * servicesEach), "labels": labels}}
		if _, err := w.api.create(ctx, "/api/v1/namespaces", namespace); err != nil {
			return err
		}
	}
	system := object{"metadata": object{"name": systemNamespace}}
	if _, err := w.api.create(ctx, "/api/v1/namespaces", system); err != nil {
		return err
	}
	for i := range 100 {
		labels := object{"topology.kubernetes.io/zone": fmt.Sprintf("zone-%d", i%3)}
		node := object{"metadata": object{"name": fmt.Sprintf("node-%02d", i), "labels": labels}}
		if _, err := w.api.create(ctx, "/api/v1/nodes", node); err != nil {
			return err
		}
	}
	// The webhook is asked by the benchmark itself, so its configuration selects nothing.
	webhook := object{"metadata": object{"name": "weft-default"}, "webhooks": []object{{
		"name": "pods.weft.dev", "sideEffects": "None", "admissionReviewVersions": []string{"v1"},
		"clientConfig":      object{"service": object{"namespace": systemNamespace, "name": "weft-default", "path": "/inject"}},
		"namespaceSelector": object{"matchLabels": object{"bench": "never"}},
		"rules": []object{{
			"operations": []string{"CREATE"}, "apiGroups": []string{""}, "apiVersions": []string{"v1"}, "resources": []string{"pods"},
		}},
	}}}
	const webhooks = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
	if _, err := w.api.create(ctx, webhooks, webhook); err != nil {
		return err
	}
	own := object{
		"metadata": object{"name": controlPlanePod},
		"spec":     object{"containers": []object{{"name": "weft", "image": "weft:bench"}}},
	}
	created, err := w.api.create(ctx, "/api/v1/namespaces/"+systemNamespace+"/pods", own)
	if err != nil {
		return err
	}
	w.podUID = uidOf(created)
	return nil
}

func uidOf(created object) string {
	metadata, _ := created["metadata"].(object)
	uid, _ := metadata["uid"].(string)
	return uid
}

func (w *world) podPath(pod int) string {
	return "/api/v1/namespaces/" + w.podNamespace(pod) + "/pods/" + w.podName(pod)
}

func (w *world) podNamespace(pod int) string {
	return namespaceOf(min(pod/endpointsEach, w.services-1))
}

// Beside the pods of services there are some that no service lists.
func (w *world) podName(pod int) string {
	if pod >= w.services*endpointsEach {
		return fmt.Sprintf("%s-%d", podOfNobodyPrefix, pod)
	}
	return podName(pod)
}

// createPod makes a pod of the size that a pod has in a cluster, about 10 KB in JSON.
func (w *world) createPod(ctx context.Context, pod int) error {
	service := pod / endpointsEach
	environment := make([]object, 20)
	for i := range environment {
		environment[i] = object{"name": fmt.Sprintf("SETTING_%02d", i), "value": strings.Repeat("v", 60)}
	}
	app := object{"name": "app", "image": "registry.example/app:1.0", "env": environment}
	spec := object{"nodeName": fmt.Sprintf("node-%02d", pod%100), "serviceAccountName": serviceName(service), "containers": []object{app}}
	annotations := object{"kubectl.kubernetes.io/last-applied-configuration": strings.Repeat("{}", 1_500)}
	if w.meshed(service) {
		spec["initContainers"] = sidecar(environment[:8])
	}
	metadata := object{
		"name": w.podName(pod), "annotations": annotations,
		"labels": object{"app": serviceName(service), "version": fmt.Sprintf("v%d", 1+pod%2), "pod-template-hash": "5d4f8c7b9"},
		// Of a Deployment: traffic is counted for all its pods together.
		"ownerReferences": []object{{
			"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": serviceName(service) + "-5d4f8c7b9",
			"uid": fmt.Sprintf("00000000-0000-4000-8000-%012d", service), "controller": true,
		}},
	}
	path := "/api/v1/namespaces/" + w.podNamespace(pod) + "/pods"
	created, err := w.api.create(ctx, path, object{"metadata": metadata, "spec": spec})
	if err != nil {
		return err
	}
	w.podUIDs[pod] = uidOf(created)
	ip := podIP(pod)
	status := object{"status": object{
		"phase": "Running", "podIP": ip, "podIPs": []object{{"ip": ip}},
		"conditions": []object{{"type": "Ready", "status": "True"}},
	}}
	return w.api.merge(ctx, path+"/"+w.podName(pod)+"/status", status)
}

// sidecar is what the webhook adds, as far as the control plane looks at it: a pod that only seems to have it makes events.
func sidecar(environment []object) []object {
	const image = "weft:bench"
	return []object{
		{
			"name": "weft-init", "image": image, "command": []string{"/usr/local/bin/weft-proxy", "init"},
			"args": []string{"--inbound-port", "15106", "--outbound-port", "15101", "--proxy-uid", "2112"},
		},
		{
			"name": "weft-proxy", "image": image, "command": []string{"/usr/local/bin/weft-proxy", "run"},
			"env": environment, "restartPolicy": "Always", "securityContext": object{"runAsUser": 2112},
		},
	}
}

func (w *world) createService(ctx context.Context, service int) error {
	namespace := "/namespaces/" + namespaceOf(service)
	ports := []object{{"name": "http", "port": servicePort, "targetPort": 8080}}
	spec := object{"clusterIP": clusterIP(service), "ports": ports, "selector": object{"app": serviceName(service)}}
	body := object{"metadata": object{"name": serviceName(service)}, "spec": spec}
	if _, err := w.api.create(ctx, "/api/v1"+namespace+"/services", body); err != nil {
		return err
	}
	_, err := w.api.create(ctx, "/apis/discovery.k8s.io/v1"+namespace+"/endpointslices", object{
		"metadata":    object{"name": serviceName(service), "labels": object{"kubernetes.io/service-name": serviceName(service)}},
		"addressType": "IPv4", "ports": []object{{"name": "http", "port": 8080, "protocol": "TCP"}},
		"endpoints": w.endpoints(service, true),
	})
	return err
}

// endpoints of a service; the first of them is ready or not.
func (w *world) endpoints(service int, firstReady bool) []object {
	all := make([]object, endpointsEach)
	for i := range all {
		pod := service*endpointsEach + i
		ready := i > 0 || firstReady
		all[i] = object{
			"addresses": []string{podIP(pod)}, "nodeName": fmt.Sprintf("node-%02d", pod%100),
			"conditions": object{"ready": ready, "serving": ready, "terminating": false},
			"targetRef":  object{"kind": "Pod", "namespace": namespaceOf(service), "name": podName(pod), "uid": w.podUIDs[pod]},
		}
	}
	return all
}

func (w *world) changeEndpoint(ctx context.Context, service int, ready bool) error {
	path := "/apis/discovery.k8s.io/v1/namespaces/" + namespaceOf(service) + "/endpointslices/" + serviceName(service)
	return w.api.merge(ctx, path, object{"endpoints": w.endpoints(service, ready)})
}

// touchUnrelated changes a pod in a way that nothing of the mesh reads.
func (w *world) touchUnrelated(ctx context.Context, n int) error {
	pod := w.services*endpointsEach + n%unrelatedPods
	condition := object{"type": "Ready", "status": "True", "message": fmt.Sprintf("looked %d times", n)}
	return w.api.merge(ctx, w.podPath(pod)+"/status", object{"status": object{"conditions": []object{condition}}})
}

const policies = "/apis/weft.dev/v1alpha1/namespaces/ns-00/trafficpolicies"

func (w *world) createPolicy(ctx context.Context) error {
	_, err := w.api.create(ctx, policies, object{
		"apiVersion": "weft.dev/v1alpha1", "kind": "TrafficPolicy", "metadata": object{"name": "bench"},
		"spec": object{
			"targetRefs": []object{{"kind": "Service", "name": serviceName(policiedService)}},
			"routes":     []object{{"timeouts": object{"request": "2s"}}},
		},
	})
	return err
}

func (w *world) deletePolicy(ctx context.Context) {
	if _, err := w.api.do(ctx, http.MethodDelete, policies+"/bench", "application/json", nil); err != nil {
		fmt.Println(err)
	}
}
