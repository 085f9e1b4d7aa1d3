/** What run.sh gives every program of this folder, for `parseArgs`. */
export const GIVEN = {
  /** Where results go. */
  out: { type: 'string', default: '.' },
  load: { type: 'string', default: 'load' },
  weft: { type: 'string', default: 'weft-proxy' },
  envoy: { type: 'string', default: 'envoy' },
  testapp: { type: 'string', default: 'testapp' },
} as const;
