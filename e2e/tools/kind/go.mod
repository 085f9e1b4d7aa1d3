module weft.dev/e2e/tools/kind

go 1.24.0

tool weft.dev/e2e/tools/kind/kind-config-check

require (
	go.yaml.in/yaml/v3 v3.0.4
	sigs.k8s.io/kind v0.33.0
)

require github.com/pkg/errors v0.9.1 // indirect
