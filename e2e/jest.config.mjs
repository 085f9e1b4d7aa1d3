import base from '../jest.config.mjs';

/** Files that wait or build for minutes by design; `WEFT_SLOW=1` runs them too. */
const SLOW = [
  'flagger',
  'argo-rollouts',
  'identity-import',
  'identity-restore',
  'identity-rotate',
  'tests/upgrade',
];

/** Tests on the real cluster; each file says in its name which part it judges. They run one after another. */
export default {
  ...base,
  roots: ['<rootDir>/tests'],
  globalSetup: '<rootDir>/support/global-setup.mjs',
  testPathIgnorePatterns: process.env['WEFT_SLOW'] === '1' ? [] : SLOW,
  setupFilesAfterEnv: ['<rootDir>/support/try-again.mjs'],
  testTimeout: 180_000,
  maxWorkers: 1,
};
