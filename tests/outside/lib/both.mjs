// The official TypeScript clients of both eras behind one face: 1.32, which shakes hands, and 2,
// which probes for 2026-07-28 (`auto`). What is different between the two eras for a program that
// uses them is here, so that a test can say one thing of both.
import {
  Client as ModernClient, SSEClientTransport as ModernSse, StreamableHTTPClientTransport as ModernHttp,
} from '@modelcontextprotocol/client';
import { StdioClientTransport as ModernStdio } from '@modelcontextprotocol/client/stdio';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport as LegacySse } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport as LegacyStdio } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as LegacyHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema, ElicitRequestSchema, ResourceListChangedNotificationSchema,
  ResourceUpdatedNotificationSchema, ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { join } from 'node:path';
import { BIN, nodeServer, outside } from './gateway.mjs';

export const ERAS = ['legacy', 'modern'];

/** One config for all: a server of each era, both on official server packages. */
export const SERVERS = {
  modern: { command: process.execPath, args: [join(outside, 'lib/servers/modern.mjs')] },
  legacy: nodeServer('@modelcontextprotocol/server-everything', 'stdio'),
};

const CAPABILITIES = { elicitation: { form: {} }, sampling: {} };

// How a client registers what it answers and what it hears: by schema, or by name.
const NOTES = {
  'notifications/tools/list_changed': ToolListChangedNotificationSchema,
  'notifications/resources/list_changed': ResourceListChangedNotificationSchema,
  'notifications/resources/updated': ResourceUpdatedNotificationSchema,
};
const QUESTIONS = {
  'elicitation/create': ElicitRequestSchema,
  'sampling/createMessage': CreateMessageRequestSchema,
};

function transport(era, kind, gateway, args) {
  if (kind === 'http') {
    const url = new URL(gateway.url);
    return era === 'modern' ? new ModernHttp(url) : new LegacyHttp(url);
  }
  if (kind === 'sse') {
    const url = new URL(gateway.sse);
    return era === 'modern' ? new ModernSse(url) : new LegacySse(url);
  }
  const ours = {
    command: BIN,
    args: ['serve', '--transport', 'stdio', '--config-dir', gateway.dir, ...args],
    env: { ...process.env, ONE_MCP_TEST_MARK: `${gateway.mark}-stdio` },
    stderr: 'ignore',
  };
  return era === 'modern' ? new ModernStdio(ours) : new LegacyStdio(ours);
}

/**
 * A connected client of an era, or, over `sse`, of its package, as that transport has only the
 * handshake: its answers carry its name, `heard` and `asked` what came. `fill`
 * answers forms in place of the name.
 */
export async function openClient(era, kind, gateway, name, { args = [], fill } = {}) {
  const info = { name, version: '1.0.0' };
  const newer = era === 'modern';
  const modern = newer && kind !== 'sse';
  const versionNegotiation = modern ? { mode: 'auto' } : undefined;
  const made = newer
    ? new ModernClient(info, { capabilities: CAPABILITIES, versionNegotiation })
    : new LegacyClient(info, { capabilities: CAPABILITIES });
  const heard = { tools: 0, resources: 0, updated: [] };
  const asked = { elicitation: 0, sampling: 0 };
  const hears = (method, then) =>
    made.setNotificationHandler(newer ? method : NOTES[method], then);
  const answers = (method, then) => made.setRequestHandler(newer ? method : QUESTIONS[method], then);
  hears('notifications/tools/list_changed', () => { heard.tools += 1; });
  hears('notifications/resources/list_changed', () => { heard.resources += 1; });
  hears('notifications/resources/updated', ({ params }) => { heard.updated.push(params.uri); });
  answers('elicitation/create', async ({ params }) => {
    asked.elicitation += 1;
    return { action: 'accept', content: fill?.(params) ?? { name } };
  });
  answers('sampling/createMessage', async ({ params }) => {
    asked.sampling += 1;
    const said = [params.messages[0].content].flat()[0].text;
    const content = { type: 'text', text: `answered by ${name}: ${said}` };
    return { model: name, role: 'assistant', content };
  });
  await made.connect(transport(era, kind, gateway, args));
  const listens = [];
  return {
    heard,
    asked,
    /** The revision that this client and the gateway agreed on. */
    revision: () =>
      newer ? made.getNegotiatedProtocolVersion() : made.transport.protocolVersion ?? '2025-11-25',
    capabilities: () => made.getServerCapabilities(),
    tools: async () => (await made.listTools()).tools,
    prompts: async () => (await made.listPrompts()).prompts,
    resources: async () => (await made.listResources()).resources,
    templates: async () => (await made.listResourceTemplates()).resourceTemplates,
    prompt: (prompt, args) => made.getPrompt({ name: prompt, arguments: args }),
    read: (uri) => made.readResource({ uri }),
    call: (tool, args, options) =>
      newer
        ? made.callTool({ name: tool, arguments: args }, options)
        : made.callTool({ name: tool, arguments: args }, undefined, options),
    /** Asks to hear of changes: of all lists, and of a resource if one is named. */
    async watch(uri) {
      if (!modern) return void (uri && (await made.subscribeResource({ uri })));
      const filter = {
        toolsListChanged: true,
        resourcesListChanged: true,
        ...(uri && { resourceSubscriptions: [uri] }),
      };
      const listen = await made.listen(filter);
      listens.push(listen);
      return listen.honoredFilter;
    },
    async unwatch(uri) {
      if (!modern) return void (uri && (await made.unsubscribeResource({ uri })));
      for (const listen of listens.splice(0)) await listen.close();
      return undefined;
    },
    close: () => made.close(),
  };
}
