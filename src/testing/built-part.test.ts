import { expect, test } from '@jest/globals';
import { bundledWebhookThread } from '../admission/index.js';
import { bundledWebAssets } from '../dashboard/index.js';

test.each([
  ['the dashboard', bundledWebAssets],
  ['the webhook', bundledWebhookThread],
])('a program that was not built says how to get %s', (name, part) => {
  expect(part).toThrow(`${name} is part of the built program only: run "npm run build", then dist/weft.mjs`);
});
