// Reads the text format of Prometheus, as far as `/metrics` uses it.
import assert from 'node:assert/strict';

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)/gy;

function labelsOf(text) {
  const labels = {};
  LABEL.lastIndex = 0;
  let end = 0;
  for (let found; (found = LABEL.exec(text)); end = LABEL.lastIndex) {
    labels[found[1]] = found[2].replace(/\\(.)/g, (_, one) => (one === 'n' ? '\n' : one));
  }
  assert.equal(end, text.length, `labels: ${text}`);
  return labels;
}

/** All samples: `{name, labels, value}`. A line that is none fails. */
export function parse(text) {
  const samples = [];
  const seen = new Set();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const found = LINE.exec(line);
    assert.ok(found, `no sample: ${line}`);
    const [, name, labels = '', value] = found;
    assert.ok(!seen.has(name + labels), `twice: ${line}`);
    seen.add(name + labels);
    assert.ok(Number.isFinite(Number(value)) || value === '+Inf', line);
    samples.push({ name, labels: labelsOf(labels), value: Number(value) });
  }
  return samples;
}

/** The sum of all samples of a name whose labels `fit`. */
export const sum = (samples, name, fit = () => true) =>
  samples.filter((one) => one.name === name && fit(one.labels))
    .reduce((total, { value }) => total + value, 0);

/** One scrape. */
export async function scrape(origin) {
  const answer = await fetch(`${origin}/metrics`);
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  const samples = parse(text);
  // The page is written at one moment, so this holds in each of them.
  const known = sum(samples, 'onemcp_calls_total') + sum(samples, 'onemcp_calls_forgotten_total');
  const open = sum(samples, 'onemcp_calls_in_flight');
  const received = sum(samples, 'onemcp_calls_received_total');
  assert.equal(known + open, received, `${known} done + ${open} in flight, ${received} received`);
  return samples;
}
