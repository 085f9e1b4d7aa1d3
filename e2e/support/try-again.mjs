import { jest } from '@jest/globals';

// A real cluster on a busy machine now and then does in a minute what it does in a second. A test that fails is tried once
// more, its first error is printed, and the suite's last lines name it: to be mended, but no reason to refuse a change.
jest.retryTimes(1, { logErrorsBeforeRetry: true });
