// Folds of a log, and the times of its lines. The lines of the step `folds`: 1 is `+ seq`, 2 to 32 are its output, 33 is
// `+ true`.
import { context, jobs, newPage, ok, origin } from './browser.mjs';

const fold = '.fold[data-name="task-folds + seq 100 130"]';
const isOpen = page => page.locator(fold).evaluate(d => d.open);
const hasTimes = async page => await page.locator('#task-folds-33 > time').isVisible()
  && /^\d\d:\d\d:\d\d $/.test(await page.locator('#task-folds-33 > time').textContent());

export async function withScript() {
  const c = await context(), at = `${origin}/~admin/job/${jobs.passed}`;
  const { page, said } = await newPage(c);
  await page.goto(at);
  ok('long output is folded', !await isOpen(page) && await page.isVisible('#task-folds-1') && !await page.isVisible('#task-folds-7'));
  ok('short output is not', await page.isVisible('#task-folds-35'));
  await page.goto(`${at}?l=task-folds-7:9#task-folds-7`);
  ok('a range within a fold opens it', await isOpen(page) && await page.locator('.l.sel').count() === 3 && await page.isVisible('#task-folds-7'));
  await page.goto('about:blank');
  await page.goto(`${at}#task-folds-7`);
  ok('so does a line alone', await page.isVisible('#task-folds-7'));
  await page.goto(at);
  await page.click(`${fold} > summary`);
  await page.reload();
  ok('what was unfolded stays so', await isOpen(page));
  await page.click(`${fold} > summary`);
  await page.reload();
  ok('and what was folded again', !await isOpen(page));
  await page.locator('body').press('/');
  await page.keyboard.type('117');
  await page.waitForFunction(() => /^1\//.test(document.querySelector('#find-n').textContent));
  ok('a search opens the fold of its hit', await isOpen(page));
  await page.keyboard.press('Escape');
  ok('times are not shown unasked', !await hasTimes(page));
  await page.keyboard.press('t');
  ok('a key shows the times of lines', await hasTimes(page));
  await page.reload();
  ok('and they stay shown', await hasTimes(page));
  await page.keyboard.press('t');
  await page.goto(`${at}/log/task-folds?l=task-folds-20`);
  ok("the log's own page folds too", await page.isVisible('#task-folds-20') && await page.locator('.fold[open]').count() === 1);
  await live(page);
  ok(`folds without errors ${said}`, said.length === 0);
  await c.close();
}

/** All that the running job prints belongs to one command. */
async function live(page) {
  await page.goto(`${origin}/~admin/job/${jobs.running}`);
  const lines = '[data-anchor="task-ticks"] .fold[open] > pre > .l > time';
  await page.waitForSelector(lines, { state: 'attached' });
  const before = await page.locator(lines).count();
  await page.waitForFunction(([lines, n]) => document.querySelectorAll(lines).length > n + 3, [lines, before]);
  ok('lines arrive in the fold of their command, with times', await page.locator('[data-anchor="task-ticks"] .fold').count() === 1);
}

export async function withoutScript() {
  const c = await context({ javaScriptEnabled: false }), at = `${origin}/~admin/job/${jobs.passed}`;
  const { page } = await newPage(c);
  await page.goto(at);
  await page.locator(`${fold} > summary`).click();
  ok('a fold opens without script', await page.isVisible('#task-folds-7'));
  await page.goto(`${at}?time=1&l=task-folds-7:9#task-folds-7`);
  ok('a link opens it', await page.isVisible('#task-folds-8') && await page.locator('.l.sel').count() === 3);
  ok('and shows times', await hasTimes(page));
  await page.goto(`${at}/log/task-folds?time=1`);
  ok("so does the log's own page", await hasTimes(page));
  await c.close();
}
