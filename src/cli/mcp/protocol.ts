import { once } from 'node:events';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import {
  CallToolRequestSchema,
  ListToolsRequestSchema,
  type CallToolResult,
  type Tool,
} from '@modelcontextprotocol/sdk/types.js';

/** What is told of a tool. */
export type OfferedTool = Tool;
/** What a call of one answers. */
export type ToolAnswer = CallToolResult;

export interface Spoken {
  readonly version: string;
  /** What an assistant should know before it asks. */
  readonly instructions: string;
  readonly tools: readonly OfferedTool[];
  /** `signal`: the assistant no longer waits for it, or is gone. */
  readonly call: (name: string, given: unknown, signal: AbortSignal) => Promise<ToolAnswer>;
}

/** An assistant that sends more in one message does not ask, it floods. */
const MOST_BYTES = 1024 * 1024;

/**
 * Speaks the Model Context Protocol over standard input and output until they end. It is bundled apart (src/build-mcp.mjs) and imports
 * nothing of ours.
 */
export async function speakMcp({ version, instructions, tools, call }: Spoken): Promise<void> {
  // What is offered and asked for are data here: the forms of questions are the program's.
  const { server } = new McpServer(
    { name: 'weft', title: 'Weft service mesh', version },
    { instructions, capabilities: { tools: {} } },
  );
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [...tools] }));
  server.setRequestHandler(CallToolRequestSchema, ({ params }, { signal }) =>
    call(params.name, params.arguments ?? {}, signal),
  );
  const ended = new Promise<void>((resolve) => {
    server.onclose = resolve;
  });
  // Nobody reads any more: neither is an error, and what is still being asked is of no use.
  process.stdout.on('error', () => void server.close());
  void once(process.stdin, 'end').then(() => server.close());
  await server.connect(
    new StdioServerTransport(process.stdin, process.stdout, { maxBufferSize: MOST_BYTES }),
  );
  await ended;
}
