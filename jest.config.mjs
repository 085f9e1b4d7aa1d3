/** Unit tests beside the code; `e2e/jest.config.mjs` runs the ones that need a cluster. */
export default {
  testEnvironment: 'node',
  // Longer than any test waits for a condition, so that it says which one did not come, also on a busy machine.
  testTimeout: 30_000,
  roots: ['<rootDir>/src', '<rootDir>/bench', '<rootDir>/e2e/supply', '<rootDir>/e2e/soak'],
  extensionsToTreatAsEsm: ['.ts', '.tsx'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.tsx?$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2024',
          parser: { syntax: 'typescript', tsx: true, decorators: true },
          transform: { react: { runtime: 'automatic', importSource: 'preact' } },
        },
      },
    ],
  },
};
