import base from '../jest.config.mjs';

/** Tests on the real cluster; each file says in its name which part it judges. They run one after another. */
export default {
  ...base,
  roots: ['<rootDir>/tests'],
  globalSetup: '<rootDir>/support/global-setup.mjs',
  testTimeout: 180_000,
  maxWorkers: 1,
};
