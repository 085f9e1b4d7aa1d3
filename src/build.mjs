// Builds dist/weft.mjs: the dashboard's page, the webhook's thread and the protocol of `weft mcp` first, then the program with them and the charts inside it as text.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';
import { chartFiles } from './build-charts.mjs';
import { mcpProtocol } from './build-mcp.mjs';
import { webhookThread } from './build-thread.mjs';
import { dashboardPage } from './build-web.mjs';
import { nodeGuard } from './cli/node-guard.ts';

const { version, engines } = JSON.parse(readFileSync('package.json', 'utf8'));

const flag = (name) =>
  process.argv.find((argument) => argument.startsWith(`--${name}=`))?.slice(name.length + 3);

/** As esbuild's own flag: `npm run build -- --log-level=warning`. */
const logLevel = flag('log-level') ?? 'info';
/** Tests build into a folder of their own. */
const outfile = flag('outfile') ?? 'dist/weft.mjs';

const page = await dashboardPage(logLevel);
const thread = await webhookThread(logLevel);
const mcp = await mcpProtocol(logLevel);

const program = await build({
  entryPoints: ['src/cli/main.ts'],
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  outfile,
  banner: {
    // First of all: what stands below needs that Node.
    js: `${nodeGuard(engines.node)}\nimport { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`,
  },
  define: {
    // Read by src/dashboard/web-assets.ts.
    WEFT_WEB_ASSETS: JSON.stringify(page.assets),
    // Read by src/admission/thread/code.ts.
    WEFT_WEBHOOK_THREAD: JSON.stringify(thread.code),
    // Read by src/cli/mcp/protocol-code.ts.
    WEFT_MCP_PROTOCOL: JSON.stringify(mcp.code),
    // Read by src/cli/install/charts.ts.
    WEFT_CHARTS: JSON.stringify(chartFiles()),
    // Read by src/cli/version.ts.
    WEFT_VERSION: JSON.stringify(version),
  },
  metafile: true,
  logLevel,
});

// Which packages are in the program, its page, its thread and its protocol, for the bill of materials (e2e/supply).
const outputs = { ...page.outputs, ...thread.outputs, ...mcp.outputs, ...program.metafile.outputs };
writeFileSync(outfile.replace(/\.mjs$/, '.meta.json'), JSON.stringify({ outputs }));
chmodSync(outfile, 0o755); // `npm install -g` and a symlink run it as it is
