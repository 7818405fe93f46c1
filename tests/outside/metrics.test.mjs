// /metrics as Prometheus' own client library reads it: every family has a type and a help, every
// name follows the conventions, and every call of an official client is accounted for.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ERAS, openClient } from './lib/both.mjs';
import { fixtureServer, outside, run, startGateway } from './lib/gateway.mjs';

const python = join(outside, 'out/python/modern/bin/python');

/** The page, read by somebody else's parser. */
async function scrape(gateway) {
  const answer = await fetch(`${gateway.origin}/metrics`);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  const input = await answer.text();
  const read = await run(python, [join(outside, 'lib/metrics.py')], { input });
  assert.equal(read.code, 0, read.stderr);
  return JSON.parse(read.stdout);
}

const samples = (families, name) =>
  families.flatMap((family) => family.samples).filter(([own]) => own === name);
const sum = (families, name) => samples(families, name).reduce((all, [, , value]) => all + value, 0);

describe('metrics', () => {
  let gateway;
  before(async () => {
    gateway = await startGateway({ servers: { files: fixtureServer() } });
  });
  after(() => gateway.stop());

  test('every family is one, with its type, its help and a name by the conventions', async () => {
    const families = await scrape(gateway);
    assert.ok(families.length >= 15, String(families.length));
    assert.equal(new Set(families.map((family) => family.name)).size, families.length);
    for (const { name, type, help, samples: all } of families) {
      assert.match(name, /^(onemcp|process)_[a-z_]+$/);
      assert.ok(['counter', 'gauge', 'histogram'].includes(type), `${name}: ${type}`);
      assert.match(help, /^[A-Z].*\.$/, name);
      for (const [sample] of all) assert.equal(sample.endsWith('_total'), type === 'counter', sample);
    }
  });

  for (const era of ERAS) {
    test(`every call of a ${era} client is accounted for`, async () => {
      const client = await openClient(era, 'http', gateway, 'metrics');
      const before = await scrape(gateway);
      for (let at = 0; at < 5; at += 1) {
        await client.call('files_1mcp_echo', { text: 'x' });
      }
      await assert.rejects(client.call('files_1mcp_{evil="1"}', {}));
      const now = await scrape(gateway);
      const echo = (families) =>
        samples(families, 'onemcp_calls_total').find(
          ([, labels]) => labels.tool === 'echo' && labels.outcome === 'ok')?.[2] ?? 0;
      assert.equal(echo(now) - echo(before), 5);
      assert.equal(
        sum(now, 'onemcp_calls_total') + sum(now, 'onemcp_calls_forgotten_total')
          + sum(now, 'onemcp_calls_in_flight'),
        sum(now, 'onemcp_calls_received_total'));
      assert.ok(!JSON.stringify(now).includes('evil'));
      await client.close();
    });
  }
});
