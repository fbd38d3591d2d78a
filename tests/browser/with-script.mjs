// What a script adds: addresses of lines, search, keys, live lines.
import { context, jobs, newPage, ok, origin } from './browser.mjs';

export async function withScript(cookies) {
  const c = await context({ colorScheme: 'dark' });
  await c.addCookies(cookies);
  const { page, said } = await newPage(c);
  await lines(page);
  await search(page);
  await keys(page);
  await playground(page);
  await live(page);
  ok(`all of it without errors ${said}`, said.length === 0);
  await c.close();
}

async function lines(page) {
  await page.goto(`${origin}/~admin/job/${jobs.failed}`);
  await page.click('#task-test-3 > a');
  ok('a line has an address', page.url().endsWith(`?l=task-test-3#task-test-3`));
  await page.click('#task-test-6 > a', { modifiers: ['Shift'] });
  ok('a range has one too ' + page.url(), page.url().endsWith('?l=task-test-3:6#task-test-3') && await page.locator('.l.sel').count() === 4);
  await page.reload();
  ok('and leads back', await page.locator('.l.sel').count() === 4);
}

async function search(page) {
  await page.locator('body').press('/');
  await page.keyboard.type('case_7');
  await page.waitForFunction(() => /^1\//.test(document.querySelector('#find-n').textContent));
  ok('a search counts', true);
  await page.keyboard.press('Escape');
}

async function keys(page) {
  await page.keyboard.press('?');
  ok('the keys are explained', await page.isVisible('#keys'));
  await page.keyboard.press('Escape');
  await page.keyboard.press('w');
  ok('a key turns wrapping on', await page.isChecked('#opt-wrap'));
  await page.click('[data-theme-next]');
  await page.reload();
  ok('the server keeps the chosen appearance', await page.evaluate(() => document.documentElement.dataset.theme === 'light'));
}

async function playground(page) {
  await page.goto(`${origin}/graphql`);
  const main = page.getByRole('main'), send = main.getByRole('button', { name: 'Send' });
  const answers = async text => page.waitForFunction(t => document.querySelector('#gql-answer').textContent.includes(t), text);
  await send.click();
  await answers('"canonicalName": "~admin"');
  ok('a query is answered to who has logged in', (await main.locator('#gql-status').innerText()).endsWith('status 200'));
  await main.getByLabel('Query', { exact: true }).last().fill('query($id: Int!) { job(id: $id) { id status } }');
  await main.getByLabel('Variables').fill(`{"id": ${jobs.passed}}`);
  await page.keyboard.press('Control+Enter');
  await answers('"SUCCESS"');
  ok('with its variables', true);
  await main.getByLabel('Token').fill('A'.repeat(44));
  await send.click();
  await answers('Authentication error');
  ok('a token counts instead of the log-in', true);
  await main.getByLabel('Variables').fill('{');
  await send.click();
  await page.waitForFunction(() => document.querySelector('#gql-status').textContent.includes('no JSON'));
  ok('broken variables are told', true);
  await main.getByText('Schema', { exact: true }).click();
  await page.waitForFunction(() => document.querySelector('#gql-schema pre').textContent.includes('type Query'));
  ok('the schema is shown', await main.locator('#gql-schema pre').isVisible());
}

async function live(page) {
  await page.goto(`${origin}/~admin/job/${jobs.running}`);
  await page.waitForFunction(() => document.querySelectorAll('[data-anchor="task-ticks"] .l').length > 5);
  const before = await page.locator('[data-anchor="task-ticks"] .l').count();
  await page.waitForFunction(n => document.querySelectorAll('[data-anchor="task-ticks"] .l').length > n, before);
  ok('lines arrive while it runs', true);
  ok('colours arrive as classes', await page.locator('[data-anchor="task-ticks"] .f2').count() > 0);
  await page.mouse.move(400, 500);
  await page.mouse.wheel(0, -200);
  await page.waitForSelector('#follow:not([hidden])');
  ok('who scrolls is left alone', true);
  await page.getByText('Change tags or who sees it').click();
  await page.getByLabel('Tags').fill('wren/weekly');
  await Promise.all([page.waitForEvent('domcontentloaded'), page.getByRole('button', { name: 'Save' }).click()]);
  ok('tags change while it runs', (await page.locator('h1').innerText()).includes('wren/weekly'));
  await page.click('button[data-key=x]');
  await page.waitForFunction(() => document.querySelector('h1').textContent.includes('cancelled'));
  ok('a cancelled job says so by itself', true);
}
