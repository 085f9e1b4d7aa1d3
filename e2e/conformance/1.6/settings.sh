# shellcheck shell=bash
# What the suite's manifests call the echo image, and how many mesh tests options.yaml turns on in it.
# shellcheck disable=SC2034  # the readers are build.sh and run.sh
ECHO_IMAGE=registry.k8s.io/gateway-api/echo-advanced:v1.5.1
MESH_TESTS=22
