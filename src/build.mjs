// Builds dist/weft.mjs: the dashboard's page and the webhook's thread first, then the program with both inside it as text.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';
import { webhookThread } from './build-thread.mjs';
import { dashboardPage } from './build-web.mjs';
import { nodeGuard } from './cli/node-guard.ts';

const { version, engines } = JSON.parse(readFileSync('package.json', 'utf8'));

/** As esbuild's own flag: `npm run build -- --log-level=warning`. */
const logLevel =
  process.argv.find((argument) => argument.startsWith('--log-level='))?.split('=')[1] ?? 'info';

const page = await dashboardPage(logLevel);
const thread = await webhookThread(logLevel);

const program = await build({
  entryPoints: ['src/cli/main.ts'],
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  outfile: 'dist/weft.mjs',
  banner: {
    // First of all: what stands below needs that Node.
    js: `${nodeGuard(engines.node)}\nimport { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`,
  },
  define: {
    // Read by src/dashboard/web-assets.ts.
    WEFT_WEB_ASSETS: JSON.stringify(page.assets),
    // Read by src/admission/thread/code.ts.
    WEFT_WEBHOOK_THREAD: JSON.stringify(thread.code),
    // Read by src/cli/version.ts.
    WEFT_VERSION: JSON.stringify(version),
  },
  metafile: true,
  logLevel,
});

// Which packages are in the program, its page and its thread, for the bill of materials (e2e/supply).
const outputs = { ...page.outputs, ...thread.outputs, ...program.metafile.outputs };
writeFileSync('dist/weft.meta.json', JSON.stringify({ outputs }));
chmodSync('dist/weft.mjs', 0o755); // `npm install -g` and a symlink run it as it is
