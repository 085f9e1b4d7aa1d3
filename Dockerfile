# The one image of Weft: control plane, proxy and iptables, with no shell and no package manager.
#
# e2e/image/build.sh fills the build context and builds this with Docker or with buildah:
#   passwd group nsswitch.conf collect.sh   from e2e/image
#   weft.mjs                                the control plane and the CLI, bundled
#   NOTICE                                  licences of what is in them
#   <arch>/node <arch>/weft-proxy <arch>/weft-cni   for each architecture (amd64, arm64)
ARG BASE_IMAGE=debian:bookworm-slim

# Debian's iptables with all that it loads, and the libraries of node and the proxy.
FROM ${BASE_IMAGE} AS collect
ARG TARGETARCH
RUN command -v iptables-nft >/dev/null || { apt-get update && apt-get install -y --no-install-recommends iptables libstdc++6; }
COPY collect.sh /collect.sh
COPY ${TARGETARCH}/node ${TARGETARCH}/weft-proxy ${TARGETARCH}/weft-cni /out/usr/local/bin/
RUN sh /collect.sh /out

FROM scratch
COPY --from=collect /out/ /
COPY passwd group nsswitch.conf /etc/
COPY weft.mjs /opt/weft/weft.mjs
COPY NOTICE /usr/share/doc/weft/NOTICE
ENV PATH=/usr/local/bin:/usr/sbin NODE_ENV=production
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/node", "/opt/weft/weft.mjs"]
