/** The containers of a meshed pod, as far as the control plane reads them: what the webhook writes at its creation. */
export function meshContainers(
  options: {
    readonly skipInboundPorts?: string;
    readonly opaquePorts?: string;
    readonly podCertificate?: boolean;
  } = {},
): { readonly init: Record<string, unknown>; readonly proxy: Record<string, unknown> } {
  const { skipInboundPorts, opaquePorts = '', podCertificate = false } = options;
  const skipped = ['15120', '15121', ...(skipInboundPorts === undefined ? [] : [skipInboundPorts])].join(',');
  const ports = ['--outbound-port', '15101', '--inbound-port', '15106'];
  return {
    init: {
      name: 'weft-init',
      command: ['/usr/local/bin/weft-proxy', 'init'],
      args: [...ports, '--proxy-uid', '2112', '--skip-inbound-ports', skipped],
    },
    proxy: {
      name: 'weft-proxy',
      command: ['/usr/local/bin/weft-proxy', 'run'],
      env: [
        { name: 'WEFT_OPAQUE_PORTS', value: opaquePorts },
        ...(podCertificate ? [{ name: 'WEFT_POD_CERTIFICATE', value: 'enabled' }] : []),
      ],
      securityContext: { runAsUser: 2112 },
    },
  };
}
