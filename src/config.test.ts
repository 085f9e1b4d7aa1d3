import { expect, test } from '@jest/globals';
import { readConfig } from './config.js';

const image = { WEFT_IMAGE: 'docker.io/weft/weft:dev' };

test('only the image has to be given', () => {
  expect(readConfig(image)).toEqual({
    revision: 'default',
    namespace: 'weft-system',
    pod: undefined,
    podCertificates: 'Off',
    capture: 'InitContainer',
    image: 'docker.io/weft/weft:dev',
    front: '/usr/local/bin/weft-proxy',
    trustDomain: 'cluster.local',
    clusterDomain: 'cluster.local',
    logLevel: 'info',
    minimum: { mtls: 'Permissive', outbound: 'AllowAny', access: 'Allow' },
    checkPeerAddress: true,
    jwtPrivateNetworks: [],
    evictPerMinute: 0,
    proxy: { log: 'info', scrapeAnnotations: false, resources: {} },
  });
});

test('what the chart sets is read, and an empty value means that nobody chose one', () => {
  const config = readConfig({
    ...image,
    WEFT_REVISION: 'canary',
    WEFT_POD_NAME: 'weft-canary-x',
    WEFT_POD_UID: 'uid',
    WEFT_MTLS_MINIMUM: 'Strict',
    WEFT_OUTBOUND_MINIMUM: 'RegistryOnly',
    WEFT_ACCESS_MINIMUM: 'Deny',
    WEFT_CHECK_PEER_ADDRESS: 'false',
    WEFT_EVICT_PER_MINUTE: '6',
    WEFT_PROXY_LOG: 'info,weft_proxy::tls=debug',
    WEFT_PROXY_SCRAPE_ANNOTATIONS: 'true',
    WEFT_PROXY_CPU_REQUEST: '10m',
    WEFT_PROXY_CPU_LIMIT: '',
    WEFT_PROXY_MEMORY_LIMIT: '128Mi',
  });
  expect(config).toMatchObject({
    revision: 'canary',
    pod: { name: 'weft-canary-x', uid: 'uid' },
    minimum: { mtls: 'Strict', outbound: 'RegistryOnly', access: 'Deny' },
    checkPeerAddress: false,
    evictPerMinute: 6,
    proxy: {
      log: 'info,weft_proxy::tls=debug',
      scrapeAnnotations: true,
      resources: { cpuRequest: '10m', memoryLimit: '128Mi' },
    },
  });
  expect(config.proxy.resources).not.toHaveProperty('cpuLimit');
});

test.each(['AllowAny', 'DryRunRegistryOnly', 'RegistryOnly'] as const)(
  'the floor of outbound policies may be %s',
  (word) => {
    expect(readConfig({ ...image, WEFT_OUTBOUND_MINIMUM: word }).minimum.outbound).toBe(word);
  },
);

test('everything wrong is named at once, with what to do', () => {
  const wrong = { WEFT_REVISION: 'Not OK', WEFT_LOG_LEVEL: 'loud', WEFT_PROXY_MEMORY_LIMIT: 'much' };
  expect(() => readConfig(wrong)).toThrow(
    /WEFT_REVISION is not a valid DNS label; give .*WEFT_IMAGE is not set; give .*WEFT_LOG_LEVEL is not a valid log level; give .*WEFT_PROXY_MEMORY_LIMIT is not a valid Kubernetes quantity; write/,
  );
});

test.each(['-1', '61', '1.5', 'many'])(
  '%s is not a number of evictions a minute',
  (WEFT_EVICT_PER_MINUTE) => {
    expect(() => readConfig({ ...image, WEFT_EVICT_PER_MINUTE })).toThrow(
      /WEFT_EVICT_PER_MINUTE is not a whole number from 0 to 60/,
    );
  },
);
