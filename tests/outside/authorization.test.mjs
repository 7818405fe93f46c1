// The conformance suite of the protocol's authors against our authorization server: a client
// registers, the suite prints where a person has to go, and the owner goes there.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { authCommand, startLocked } from './lib/locked.mjs';
import { freePort } from './lib/remotes.mjs';
import { allOfAuthorization, authorization, faults } from './lib/suite.mjs';

const COUNT = 2;

describe('the authorization server', () => {
  let gateway, wanted;
  before(async () => {
    wanted = await allOfAuthorization();
    gateway = await startLocked();
    await gateway.login();
  });
  after(() => gateway?.stop());

  /** Who registers by himself. */
  const registers = async (redirect) => {
    const answer = await fetch(`${gateway.origin}/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        client_name: 'the suite', redirect_uris: [redirect], token_endpoint_auth_method: 'none',
      }),
    });
    assert.equal(answer.status, 201);
    return (await answer.json()).client_id;
  };

  test('every scenario is here', () => {
    assert.equal(wanted.length, COUNT, wanted.join(' '));
  });

  for (const revision of ['2025-11-25', '2026-07-28']) {
    for (const path of ['', '/mcp']) {
      test(`${revision}, for ${path === '' ? 'no resource' : path}`, async (t) => {
        const port = await freePort();
        const clientId = await registers(`http://127.0.0.1:${port}/callback`);
        const resource = path === '' ? undefined : `${gateway.origin}${path}`;
        const { scenarios, said, code } = await authorization(
          gateway.origin, `authorization-${revision}${path.replace('/', '-')}`,
          { clientId, port, resource, revision },
          async (url) => {
            const back = await gateway.owner.authorize(url);
            assert.equal((await fetch(back)).status, 200);
          });
        assert.deepEqual(faults(scenarios, wanted), {}, said);
        assert.equal(scenarios.size, COUNT, said);
        assert.equal(code, 0, said);
        t.diagnostic(`authorization ${revision}: ${scenarios.size}/${COUNT}`);
      });
    }
  }

  test('the commands know the client that was let in', async () => {
    const listed = JSON.stringify(await authCommand(gateway, 'client', 'list'));
    assert.match(listed, /the suite/);
  });
});
