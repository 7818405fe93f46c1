// A real Chromium, and what a careful reader of a page looks at. Knows nothing of the gateway.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { outside } from './gateway.mjs';
import { secret } from './secrets.mjs';

const PROGRAM = process.env.CHROMIUM ?? '/usr/bin/chromium';
export const HAS_CHROMIUM = existsSync(PROGRAM);

export const startChromium = () =>
  chromium.launch({
    executablePath: PROGRAM,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
    ],
  });

export const PHONE = { viewport: { width: 320, height: 640 }, isMobile: true, hasTouch: true };

/**
 * A page in a profile of its own. `complaints` is what the browser itself says against it; `went`,
 * every address that it was sent to; `answers`, every page that it got.
 */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const seen = { complaints: [], went: [], answers: [] };
  const watch = (one) => {
    one.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) {
        seen.complaints.push(`${message.text()} at ${message.location().url}`);
      }
    });
    one.on('pageerror', (error) => seen.complaints.push(error.stack));
    one.on('request', (request) => {
      if (request.isNavigationRequest()) seen.went.push(request.url());
      try {
        secret('a code', new URL(request.url()).searchParams.get('code') ?? '');
      } catch {
        // Not an address.
      }
    });
    one.on('requestfailed', (request) => {
      const { errorText } = request.failure();
      if (/CSP|BLOCKED/.test(errorText)) seen.complaints.push(`${errorText}: ${request.url()}`);
    });
    one.on('response', (answer) => seen.answers.push(answer));
  };
  watch(page);
  context.on('page', watch);
  return Object.assign(page, {
    seen,
    /** The address of a kind that it was sent to, once it was. */
    async sentTo(pattern) {
      for (const end = Date.now() + 15_000; Date.now() < end; ) {
        const found = seen.went.findLast((url) => pattern.test(url));
        if (found) return new URL(found);
        await page.waitForTimeout(20);
      }
      throw new Error(`not sent to ${pattern}: ${seen.went.join('\n')}\n${page.url()}`);
    },
    /** Ends it; nothing may have been said against it but what `but` allows. */
    async done({ but } = {}) {
      for (const { value } of await context.cookies()) secret('a cookie', value);
      await context.close();
      const left = seen.complaints.filter((text) => !but?.test(text));
      assert.deepEqual(left, [], 'the browser complains');
    },
  });
}

const SHOTS = join(outside, 'out', 'screens');

/** A picture of the page, to be looked at by people. */
export async function shoot(page, name) {
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
}

/** What is wrong with a page for those who cannot see it well, use no mouse, or hold a phone. */
export async function inspect(page) {
  return page.evaluate(() => {
    const wrong = [];
    const say = (test, what) => test || wrong.push(what);
    const all = (selector) => [...document.querySelectorAll(selector)];
    const shown = (element) => element.checkVisibility?.({ visibilityProperty: true }) ?? true;
    const name = (element) => {
      const by = element.getAttribute('aria-labelledby');
      const labels = element.labels ? [...element.labels].map((one) => one.textContent) : [];
      return [
        element.getAttribute('aria-label') ?? '',
        by ? by.split(' ').map((id) => document.getElementById(id)?.textContent).join(' ') : '',
        ...labels,
        ['BUTTON', 'A', 'H1', 'H2', 'SUMMARY'].includes(element.tagName) ? element.textContent : '',
      ].join(' ').trim();
    };

    say(document.documentElement.lang, 'no language');
    say(document.title.trim(), 'no title');
    say(document.doctype, 'no doctype');
    say(all('main').length === 1, `${all('main').length} main landmarks`);
    say(all('h1').length === 1, `${all('h1').length} first headings`);
    say(all('header').length >= 1, 'no banner');
    const levels = all('h1,h2,h3,h4').map(({ tagName }) => Number(tagName[1]));
    levels.reduce((last, level) => {
      say(level <= last + 1, `a heading of level ${level} below one of ${last}`);
      return level;
    }, 0);
    const ids = all('[id]').map(({ id }) => id);
    say(new Set(ids).size === ids.length, `an id twice: ${ids}`);
    for (const one of all('input:not([type=hidden]), select, textarea')) {
      if (shown(one)) say(name(one), `a field without a label: ${one.outerHTML}`);
    }
    for (const one of all('button, a[href]')) say(name(one), `no name: ${one.outerHTML}`);
    for (const one of all('[aria-describedby], [aria-labelledby]')) {
      for (const id of `${one.getAttribute('aria-describedby') ?? ''} ${one.getAttribute('aria-labelledby') ?? ''}`.trim().split(/\s+/)) {
        say(document.getElementById(id), `nothing has the id ${id}`);
      }
    }
    for (const one of all('img')) say(one.hasAttribute('alt'), `no alt: ${one.outerHTML}`);
    for (const one of all('[tabindex]')) say(Number(one.tabIndex) <= 0, `tabindex ${one.tabIndex}`);
    say(all('script:not([src])').length === 0, 'a script within the page');
    // An empty style is left behind by who takes the pictures.
    for (const one of all('[style]:not([style=""]), [onclick], [onload]')) {
      say(false, `within the page: ${one.outerHTML}`);
    }

    const { scrollWidth } = document.scrollingElement;
    say(scrollWidth <= innerWidth, `${scrollWidth} wide in a window of ${innerWidth}`);
    // WCAG 2.2, 2.5.8: what is pressed has 24 pixels, unless it stands in a sentence.
    for (const one of all('button, a.button, input:not([type=hidden])')) {
      if (!shown(one)) continue;
      const { width, height } = one.getBoundingClientRect();
      say(width >= 24 && height >= 24, `${width}x${height}: ${one.outerHTML}`);
    }

    // Contrast of all text that is seen.
    const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 });
    const paint = canvas.getContext('2d', { willReadFrequently: true });
    const colour = (text) => {
      paint.clearRect(0, 0, 1, 1);
      paint.fillStyle = text;
      paint.fillRect(0, 0, 1, 1);
      const [red, green, blue, alpha] = paint.getImageData(0, 0, 1, 1).data;
      return { rgb: [red, green, blue], alpha: alpha / 255 };
    };
    const under = (element) => {
      const layers = [];
      for (let one = element; one; one = one.parentElement) {
        layers.push(colour(getComputedStyle(one).backgroundColor));
      }
      const dark = matchMedia('(prefers-color-scheme: dark)').matches;
      const base = dark ? [18, 18, 18] : [255, 255, 255];
      return layers.reverse().reduce(
        (below, { rgb, alpha }) => below.map((part, at) => part * (1 - alpha) + rgb[at] * alpha),
        base);
    };
    const light = (rgb) => {
      const [red, green, blue] = rgb.map((part) => {
        const share = part / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (words.nextNode()) {
      const { parentElement: element, textContent } = words.currentNode;
      if (!textContent.trim() || !shown(element)) continue;
      const box = element.getBoundingClientRect();
      if (box.width <= 1 || box.height <= 1) continue;
      const below = under(element);
      const { rgb, alpha } = colour(getComputedStyle(element).color);
      const ink = below.map((part, at) => part * (1 - alpha) + rgb[at] * alpha);
      const [low, high] = [light(ink), light(below)].sort((one, other) => one - other);
      const ratio = (high + 0.05) / (low + 0.05);
      say(ratio >= 4.5, `contrast ${ratio.toFixed(2)}: ${textContent.trim().slice(0, 40)}`);
    }
    return wrong;
  });
}

/** How light the page's ground is, 0 to 255. */
export const ground = (page) =>
  page.evaluate(() => {
    const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g);
    return (Number(red) + Number(green) + Number(blue)) / 3;
  });
