# shellcheck shell=bash
# etcd, API server, controller manager and scheduler, as processes of the node's namespace.

# Plain HTTP on the namespace's loopback: nothing outside of it reaches that address.
ETCD_URL=http://127.0.0.1:2379

etcd_up() {
  start_daemon "$NODE" etcd "$BIN_DIR/etcd" \
    --name "$NODE" --data-dir "$STATE_DIR/etcd" --unsafe-no-fsync --log-level warn \
    --listen-client-urls "$ETCD_URL" --advertise-client-urls "$ETCD_URL" \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
    --initial-cluster "$NODE=http://127.0.0.1:2380"
}

etcd_ready() {
  nsenter --net="/run/netns/$NODE" bash -c '</dev/tcp/127.0.0.1/2379'
}

# --kubelet-preferred-address-types: or "kubectl logs" tries to resolve the node's name.
api_server_up() {
  start_daemon "$NODE" kube-apiserver "$BIN_DIR/kube-apiserver" \
    --etcd-servers "$ETCD_URL" \
    --bind-address :: --secure-port 6443 --advertise-address "$NODE_IP4" \
    --service-cluster-ip-range "$SERVICE_CIDRS" \
    --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --allow-privileged \
    --cert-dir "$PKI_DIR" --client-ca-file "$PKI_DIR/ca.crt" \
    --tls-cert-file "$PKI_DIR/apiserver.crt" --tls-private-key-file "$PKI_DIR/apiserver.key" \
    --kubelet-certificate-authority "$PKI_DIR/ca.crt" \
    --kubelet-client-certificate "$PKI_DIR/apiserver-kubelet-client.crt" \
    --kubelet-client-key "$PKI_DIR/apiserver-kubelet-client.key" \
    --kubelet-preferred-address-types InternalIP \
    --service-account-issuer "https://kubernetes.default.svc.$DNS_DOMAIN" \
    --service-account-key-file "$PKI_DIR/service-accounts.key" \
    --service-account-signing-key-file "$PKI_DIR/service-accounts.key"
}

api_server_ready() {
  kubectl_admin get --raw /readyz
}

# --kube-api-qps: starting all controllers waits 5 s for the default rate limit.
controller_manager_up() {
  start_daemon "$NODE" kube-controller-manager "$BIN_DIR/kube-controller-manager" \
    --kubeconfig "$STATE_DIR/kube-controller-manager.kubeconfig" \
    --bind-address 127.0.0.1 --leader-elect=false --use-service-account-credentials \
    --kube-api-qps 500 --kube-api-burst 1000 \
    --cluster-name "$CLUSTER_NAME" --cluster-cidr "$POD_CIDRS" --service-cluster-ip-range "$SERVICE_CIDRS" \
    --allocate-node-cidrs=false --flex-volume-plugin-dir "$STATE_DIR/flex-volumes" \
    --root-ca-file "$PKI_DIR/ca.crt" --service-account-private-key-file "$PKI_DIR/service-accounts.key" \
    --cluster-signing-cert-file "$PKI_DIR/ca.crt" --cluster-signing-key-file "$PKI_DIR/ca.key"
}

scheduler_up() {
  start_daemon "$NODE" kube-scheduler "$BIN_DIR/kube-scheduler" \
    --kubeconfig "$STATE_DIR/kube-scheduler.kubeconfig" --bind-address 127.0.0.1 --leader-elect=false
}

control_plane_kubeconfigs() {
  write_kubeconfig "$KUBECONFIG_FILE" admin
  write_kubeconfig "$STATE_DIR/kube-controller-manager.kubeconfig" kube-controller-manager
  write_kubeconfig "$STATE_DIR/kube-scheduler.kubeconfig" kube-scheduler
}

kubectl_admin() {
  "$BIN_DIR/kubectl" --kubeconfig "$KUBECONFIG_FILE" --request-timeout 5s "$@"
}
