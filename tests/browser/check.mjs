// Looks at every page as a person does: wide and narrow, light and dark, with script and without; and uses them.
// Environment: MODULES (folder of node_modules), ORIGIN, PASSWORD, JOBS (JSON of numbers), SHOTS (a folder, or empty).
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';

const require = createRequire(path.join(process.env.MODULES, 'x.js'));
const { chromium } = require('playwright-core');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const { ORIGIN: origin, PASSWORD: password, SHOTS: shots } = process.env;
const { failed, passed, running } = JSON.parse(process.env.JOBS);

const problems = [];
const ok = (what, is) => { console.log((is ? 'ok      ' : 'PROBLEM ') + what); if (!is) problems.push(what); };

const pages = [
  ['home', '/'], ['welcome', '@/'], ['login', '@/login'], ['jobs', '/-/jobs'], ['jobs-none', '/-/jobs?q=nothing'],
  ['jobs-problem', '/-/jobs?q=x:y'], ['user', '@/~admin/slug'], ['job-failed', `/~admin/job/${failed}`],
  ['job-passed', `@/~admin/job/${passed}`], ['log', `/~admin/job/${failed}/log/task-test?q=error`],
  ['submit', '/submit'], ['submit-broken', '/submit?manifest=image%3A%20host%0Atasks%3A%0A%20%20-%20Not%20A%20Name%3A%20x%0A'],
  ['resubmit', `/resubmit/${failed}`], ['tokens', '/-/tokens'], ['missing', '/~admin/job/99999'],
];
// The few that tell most.
const told = { home: '1280-light', 'job-failed': '1280-light', 'job-running': '1280-dark', submit: '1280-light' };

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--no-first-run', '--disable-background-networking', '--disable-component-update'],
});
let cookies = [];

async function shoot(page, name, tag) {
  if (!shots) return;
  if (told[name] === tag) await page.screenshot({ path: path.join(shots, `${name}-${tag}.png`) });
  if (name === 'job-failed' && tag === '360-dark') await page.screenshot({ path: path.join(shots, `${name}-${tag}.png`) });
}

async function context(width, scheme, more = {}) {
  const c = await browser.newContext({ viewport: { width, height: 800 }, colorScheme: scheme, reducedMotion: 'reduce', ...more });
  c.setDefaultTimeout(120_000);
  return c;
}

async function logIn() {
  const c = await context(1280, 'light', { javaScriptEnabled: false });
  const page = await c.newPage();
  await page.goto(origin + '/login');
  await page.fill('#u', 'admin'); await page.fill('#p', password);
  await Promise.all([page.waitForURL(origin + '/'), page.click('form.form button')]);
  cookies = await c.cookies();
  ok('a log-in without script', cookies.some(cookie => cookie.name === 'hydra_session' && cookie.httpOnly));
  await c.close();
}

async function lookAt(width, scheme, script) {
  const tag = `${width}-${scheme}`, c = await context(width, scheme, { javaScriptEnabled: script });
  for (const [name, at] of pages) {
    await c.clearCookies();
    if (!at.startsWith('@')) await c.addCookies(cookies);
    const page = await c.newPage(), what = `${name} ${tag}${script ? '' : ' without script'}`, said = [];
    page.on('console', m => m.type() === 'error' && !/status of 40/.test(m.text()) && said.push(m.text()));
    page.on('pageerror', e => said.push(e.message));
    const answer = await page.goto(origin + at.replace(/^@/, ''));
    ok(`${what} answers`, answer.status() < 500 && await page.locator('h1').count() === 1);
    if (script) {
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      ok(`${what} is not wider than its window (${wide})`, wide <= width);
      await shoot(page, name, tag);
      await page.evaluate(() => document.querySelectorAll('details:not(.menu)').forEach(d => { d.open = true; }));
      await page.evaluate(axe);
      const found = await page.evaluate(() => axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
      const words = found.violations.flatMap(v => v.nodes.slice(0, 3).map(n => `${v.id} ${n.target.join(' ')} ${n.html.slice(0, 160)} ${(n.any[0] || n.all[0] || n.none[0])?.message ?? ''}`));
      ok(`${what} has nothing that axe finds${words.map(w => '\n    ' + w).join('')}`, words.length === 0);
    }
    ok(`${what} has no errors ${said}`, said.length === 0);
    await page.close();
  }
  await c.close();
}

async function use() {
  const c = await context(1280, 'dark');
  await c.addCookies(cookies);
  const page = await c.newPage();
  await page.goto(`${origin}/~admin/job/${failed}`);
  await page.click('#task-test-3 > a');
  ok('a line has an address', page.url().endsWith(`?l=task-test-3#task-test-3`));
  await page.click('#task-test-6 > a', { modifiers: ['Shift'] });
  ok('a range has one too ' + page.url(), page.url().endsWith('?l=task-test-3:6#task-test-3') && await page.locator('.l.sel').count() === 4);
  await page.reload();
  ok('and leads back', await page.locator('.l.sel').count() === 4);
  await page.locator('body').press('/');
  await page.keyboard.type('case_7');
  await page.waitForFunction(() => /^1\//.test(document.querySelector('#find-n').textContent));
  ok('a search counts', true);
  await page.keyboard.press('Escape');
  await page.keyboard.press('?');
  ok('the keys are explained', await page.isVisible('#keys'));
  await page.keyboard.press('Escape');
  await page.keyboard.press('w');
  ok('a key turns wrapping on', await page.isChecked('#opt-wrap'));
  await page.click('[data-theme-next]');
  await page.reload();
  ok('the server keeps the chosen appearance', await page.evaluate(() => document.documentElement.dataset.theme === 'light'));
  await page.goto(`${origin}/~admin/job/${running}`);
  await page.waitForFunction(() => document.querySelectorAll('[data-anchor="task-ticks"] .l').length > 5);
  const before = await page.locator('[data-anchor="task-ticks"] .l').count();
  await page.waitForFunction(n => document.querySelectorAll('[data-anchor="task-ticks"] .l').length > n, before);
  ok('lines arrive while it runs', true);
  ok('colours arrive as classes', await page.locator('[data-anchor="task-ticks"] .f2').count() > 0);
  if (shots) { await page.emulateMedia({ colorScheme: 'dark' }); await page.evaluate(() => { delete document.documentElement.dataset.theme; scrollTo(0, 0); }); await shoot(page, 'job-running', '1280-dark'); }
  await page.mouse.move(400, 500);
  await page.mouse.wheel(0, -200);
  await page.waitForSelector('#follow:not([hidden])');
  ok('who scrolls is left alone', true);
  await page.click('button[data-key=x]');
  await page.waitForFunction(() => document.querySelector('h1').textContent.includes('cancelled'));
  ok('a cancelled job says so by itself', true);
  await c.close();
}

await logIn();
await lookAt(1280, 'light', true);
await lookAt(360, 'dark', true);
await lookAt(1280, 'light', false);
await use();
await browser.close();
console.log(problems.length ? `${problems.length} problems:\n${problems.join('\n')}` : 'no problems');
process.exit(problems.length ? 1 : 0);
