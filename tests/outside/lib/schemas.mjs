// Checks messages against the protocol's official schemas, as tests/wire does for the fixture,
// with a validator that other people wrote.
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './gateway.mjs';
import { messages } from './wire.mjs';

const MODERN = '2026-07-28';
const LEGACY = '2025-11-25';
const NAMES = {
  'server/discover': 'Discover',
  'tools/list': 'ListTools',
  'tools/call': 'CallTool',
  'prompts/list': 'ListPrompts',
  'prompts/get': 'GetPrompt',
  'resources/list': 'ListResources',
  'resources/templates/list': 'ListResourceTemplates',
  'resources/read': 'ReadResource',
  'completion/complete': 'Complete',
  'subscriptions/listen': 'SubscriptionsListen',
  initialize: 'Initialize',
};
const ERRORS = {
  '-32020': 'HeaderMismatchError',
  '-32021': 'MissingRequiredClientCapabilityError',
  '-32022': 'UnsupportedProtocolVersionError',
};

function load(revision) {
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv);
  ajv.addFormat('byte', true).addFormat('uri-template', true);
  const schema = JSON.parse(readFileSync(join(root, 'tests/schema', `${revision}.json`), 'utf8'));
  ajv.addSchema(schema, revision);
  return (definition, value) => {
    const check = ajv.getSchema(`${revision}#/$defs/${definition}`);
    if (!check) return `no definition ${definition}`;
    return check(value) ? undefined : `${definition}: ${ajv.errorsText(check.errors)}`;
  };
}

const CHECKS = { [MODERN]: load(MODERN), [LEGACY]: load(LEGACY) };

function modern(message, asked) {
  const check = CHECKS[MODERN];
  if (message.method) {
    return 'id' in message ? 'a request' : check('ServerNotification', message);
  }
  if (message.error) return check(ERRORS[message.error.code] ?? 'JSONRPCErrorResponse', message);
  const { resultType, inputRequests, requestState } = message.result ?? {};
  if (resultType === 'input_required' && !inputRequests && !requestState) return 'asks nothing';
  const name = resultType === 'task' ? undefined : NAMES[asked.method];
  return check(name ? `${name}ResultResponse` : 'JSONRPCResultResponse', message);
}

function legacy(message, asked) {
  const check = CHECKS[LEGACY];
  if (message.method) {
    return check('id' in message ? 'ServerRequest' : 'ServerNotification', message);
  }
  if (message.error) return check('JSONRPCErrorResponse', message);
  const wrong = check('JSONRPCResultResponse', message);
  return wrong ?? check(`${NAMES[asked.method] ?? 'Empty'}Result`, message.result);
}

/** What the gateway sent in a relay's record: `{count, faults}`. */
export function checkRecord(record) {
  const found = { count: 0, faults: [] };
  for (const { asked, headers, type, text } of record) {
    // The end of a stream that was cut may be half an event.
    const whole = /event-stream/.test(type) ? text.slice(0, text.lastIndexOf('\n\n') + 2) : text;
    if (!/json|event-stream/.test(type)) continue;
    const { method = 'GET' } = asked ?? {};
    const check = headers['mcp-protocol-version'] === MODERN ? modern : legacy;
    for (const message of messages(type, whole)) {
      found.count += 1;
      const why = check(message, asked ?? {});
      if (why) found.faults.push(`${method}: ${why}: ${JSON.stringify(message).slice(0, 1000)}`);
    }
  }
  return found;
}
