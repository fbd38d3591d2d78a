// One browser for everything, and what is said about what it finds.
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';

const require = createRequire(path.join(process.env.MODULES, 'x.js'));
const { chromium } = require('playwright-core');
export const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
export const { ORIGIN: origin, EMPTY: empty, PASSWORD: password, SHOTS: shots } = process.env;
export const jobs = JSON.parse(process.env.JOBS), farm = JSON.parse(process.env.FARM);

const problems = [];
/** Notes whether something holds. */
export const ok = (what, is) => { console.log((is ? 'ok      ' : 'PROBLEM ') + what); if (!is) problems.push(what); };

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--no-first-run', '--disable-background-networking', '--disable-component-update'],
});

/** A browser's profile of its own. */
export async function context(more = {}) {
  const c = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'light', reducedMotion: 'reduce', ...more });
  c.setDefaultTimeout(120_000);
  return c;
}

/** A page whose complaints are noted in `said`. */
export async function newPage(c) {
  const page = await c.newPage(), said = [];
  page.on('console', m => m.type() === 'error' && !/status of 40/.test(m.text()) && said.push(m.text()));
  page.on('pageerror', e => said.push(e.message));
  return { page, said };
}

/** Does something with each, some at a time. */
export async function each(items, what, atOnce = 3) {
  const rest = [...items];
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (rest.length) await what(rest.shift());
  }));
}

/** Runs a part, and says how long it took. */
export async function part(name, what) {
  const start = Date.now();
  const made = await what();
  console.log(`        ${name}: ${((Date.now() - start) / 1000).toFixed(1)} s`);
  return made;
}

/** Ends the program: 0 if nothing was wrong. */
export async function end() {
  await browser.close();
  console.log(problems.length ? `${problems.length} problems:\n${problems.join('\n')}` : 'no problems');
  process.exit(problems.length ? 1 : 0);
}
