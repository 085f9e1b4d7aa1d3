# shellcheck shell=bash
# The cluster's certificate authority, the certificates of its parts and their kubeconfigs. Made
# anew at every boot; they last 30 days.

PKI_DIR=$STATE_DIR/pki

pki_create() {
  mkdir -p "$PKI_DIR"
  chmod 700 "$STATE_DIR"
  openssl_quiet req -x509 -new "${NEW_KEY[@]}" -keyout "$PKI_DIR/ca.key" -out "$PKI_DIR/ca.crt" -days 30 \
    -config "$CLUSTER_DIR/lib/openssl.cnf" -extensions authority -subj "/CN=weft-test-cluster"
  openssl_quiet genrsa -out "$PKI_DIR/service-accounts.key" 2048
  pki_issue apiserver /CN=kube-apiserver "$(pki_api_names)"
  pki_issue kubelet-serving "/O=system:nodes/CN=system:node:$NODE" "DNS:$NODE,IP:$NODE_IP4,IP:$NODE_IP6"
  pki_issue apiserver-kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
  pki_issue admin /O=system:masters/CN=weft-test-admin
  pki_issue kube-controller-manager /CN=system:kube-controller-manager
  pki_issue kube-scheduler /CN=system:kube-scheduler
  pki_issue kube-proxy /CN=system:kube-proxy
  pki_issue kubelet "/O=system:nodes/CN=system:node:$NODE"
}

pki_api_names() {
  local service=kubernetes.default
  echo "DNS:kubernetes,DNS:$service,DNS:$service.svc,DNS:$service.svc.$DNS_DOMAIN,DNS:localhost,IP:127.0.0.1,IP:::1,IP:$API_SERVICE_IP4,IP:$NODE_IP4,IP:$NODE_IP6"
}

NEW_KEY=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)

# pki_issue NAME SUBJECT [SUBJECT-ALTERNATIVE-NAMES]
pki_issue() {
  local names=()
  [[ -z ${3:-} ]] || names=(-addext "subjectAltName=$3")
  openssl_quiet req -x509 -new "${NEW_KEY[@]}" -keyout "$PKI_DIR/$1.key" -out "$PKI_DIR/$1.crt" -days 30 \
    -CA "$PKI_DIR/ca.crt" -CAkey "$PKI_DIR/ca.key" \
    -config "$CLUSTER_DIR/lib/openssl.cnf" -extensions leaf -subj "$2" ${names[@]+"${names[@]}"}
}

openssl_quiet() {
  local output
  output=$(openssl "$@" 2>&1) || die "openssl $1: $output"
}

# write_kubeconfig FILE IDENTITY; IDENTITY is a name that was given to pki_issue.
write_kubeconfig() {
  (umask 077 && cat >"$1") <<YAML
apiVersion: v1
kind: Config
current-context: $CLUSTER_NAME
clusters:
  - name: $CLUSTER_NAME
    cluster:
      server: https://$NODE_IP4:6443
      certificate-authority-data: $(base64 -w0 "$PKI_DIR/ca.crt")
users:
  - name: $2
    user:
      client-certificate-data: $(base64 -w0 "$PKI_DIR/$2.crt")
      client-key-data: $(base64 -w0 "$PKI_DIR/$2.key")
contexts:
  - name: $CLUSTER_NAME
    context: {cluster: $CLUSTER_NAME, user: $2}
YAML
}
