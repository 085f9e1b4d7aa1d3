import type { Command } from 'commander';
import { names } from '../../base/index.js';
import type { KubeClient } from '../../kube/index.js';
import { failed, revisionOption, withExitCodes } from '../answering.js';
import { serveMcp } from './serve.js';

const MCP = `
An assistant starts it and asks over its standard input and output; it ends with them. It has what these commands tell as JSON: stat,
edges, routes, top, explain, analyze, check, authz can-i, authz who-can, egress, status and version. Nothing of it changes the
cluster, and it may read what your kubeconfig may. docs/mcp.md says how an assistant is told of it, and what to be careful about.

Example, in the configuration of an assistant:
  {"mcpServers": {"weft": {"command": "weft", "args": ["--context", "staging", "mcp"]}}}`;

/** Adds `weft mcp`; `connect` makes the client of the cluster that the global options name. */
export function addMcp(weft: Command, connect: () => KubeClient): void {
  withExitCodes(weft.command('mcp'))
    .description('answer an assistant: the questions that only read, over the Model Context Protocol')
    .addOption(revisionOption())
    .option('--system-namespace <name>', 'namespace of the control plane', names.SYSTEM_NAMESPACE)
    .addHelpText('after', MCP)
    .action(async (flags: { readonly revision: string; readonly systemNamespace: string }) => {
      try {
        await serveMcp({ connect, ...flags });
      } catch (thrown) {
        failed(thrown);
      }
    });
}
