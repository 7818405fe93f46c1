// A server of 2026-07-28, on the official server package, for any transport. Its tools ask by
// rounds: the call is answered with a question, and made again with the answer.
import {
  acceptedContent, fromJsonSchema, inputRequired, McpServer, ResourceTemplate,
} from '@modelcontextprotocol/server';
import { setTimeout as delay } from 'node:timers/promises';

const WATCHED = 'made://watched';
const schema = (properties, required = Object.keys(properties)) =>
  fromJsonSchema({ type: 'object', properties, required });
const said = (text) => ({ content: [{ type: 'text', text }] });
const NAME = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
const counts = { cancelled: 0, grown: 0 };

/** Tools that end by themselves. */
function plain(server, tell) {
  server.registerTool(
    'echo', { inputSchema: schema({ message: { type: 'string' } }) },
    async ({ message }) => said(`Echo: ${message}`));
  server.registerTool(
    'long', { inputSchema: schema({ ms: { type: 'integer' }, steps: { type: 'integer' } }) },
    async ({ ms, steps }, { mcpReq }) => {
      const progressToken = mcpReq._meta?.progressToken;
      mcpReq.signal.addEventListener('abort', () => (counts.cancelled += 1));
      for (let progress = 1; progress <= steps; progress += 1) {
        await delay(ms / steps, undefined, { signal: mcpReq.signal });
        if (progressToken === undefined) continue;
        const params = { progressToken, progress, total: steps };
        await mcpReq.notify({ method: 'notifications/progress', params });
      }
      return said(`done in ${steps} steps`);
    });
  server.registerTool('cancellations', { inputSchema: schema({}) }, async () =>
    said(String(counts.cancelled)));
  const grown = (number) =>
    server.registerTool(`grown-${number}`, { inputSchema: schema({}) }, async () => said('grown'));
  for (let number = 1; number <= counts.grown; number += 1) grown(number);
  server.registerTool('grow', { inputSchema: schema({}) }, async () => {
    counts.grown += 1;
    grown(counts.grown);
    tell?.toolsChanged();
    return said(`grown-${counts.grown}`);
  });
  server.registerTool('touch', { inputSchema: schema({}) }, async () => {
    if (tell) tell.resourceUpdated(WATCHED);
    else await server.server.sendResourceUpdated({ uri: WATCHED });
    return said('touched');
  });
}

/** Tools that ask before they answer. */
function asking(server) {
  server.registerTool('ask-name', { inputSchema: schema({}) }, async (_args, { mcpReq }) => {
    const answer = mcpReq.inputResponses?.who;
    if (!answer) {
      const who = inputRequired.elicit({ message: 'Who are you?', requestedSchema: NAME });
      return inputRequired({ inputRequests: { who }, requestState: 'asked for a name' });
    }
    if (mcpReq.requestState() !== 'asked for a name') throw new Error('a state of somebody else');
    const content = acceptedContent(mcpReq.inputResponses, 'who');
    return said(content ? `Name: ${content.name}` : `no name: ${answer.action}`);
  });
  server.registerTool(
    'ask-model', { inputSchema: schema({ prompt: { type: 'string' } }) },
    async ({ prompt }, { mcpReq }) => {
      const answer = mcpReq.inputResponses?.answer;
      if (answer) return said(`${answer.model}: ${[answer.content].flat()[0].text}`);
      const content = { type: 'text', text: prompt };
      const question = { messages: [{ role: 'user', content }], maxTokens: 100 };
      return inputRequired({ inputRequests: { answer: inputRequired.createMessage(question) } });
    });
}

/**
 * One server. Over HTTP there is one for each request, which cannot tell others of changes: `tell`
 * does; the grown tools are everybody's.
 */
export function make(tell) {
  const server = new McpServer(
    { name: 'modern', version: '1.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        prompts: {},
      },
    });
  plain(server, tell);
  asking(server);
  server.registerResource('watched', WATCHED, {}, async (uri) => ({
    contents: [{ uri: uri.href, text: 'watched' }],
  }));
  server.registerResource(
    'numbered', new ResourceTemplate('made://numbered/{id}', { list: undefined }), {},
    async (uri, { id }) => ({ contents: [{ uri: uri.href, text: `number ${id}` }] }));
  server.registerPrompt(
    'greet', { argsSchema: schema({ name: { type: 'string' } }) },
    async ({ name }) => ({
      messages: [{ role: 'user', content: { type: 'text', text: `Greet ${name}` } }],
    }));
  return server;
}
