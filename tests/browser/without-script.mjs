// A person's day in a browser that runs no script.
import fs from 'node:fs';
import { context, jobs, newPage, ok, origin, password } from './browser.mjs';

const manifest = 'image: host\nartifacts: [made.txt]\ntasks:\n  - ticks: |\n      set +x\n      for n in $(seq 6); do echo "tick $n"; sleep 1; done\n      echo "needle in the log"\n      echo "made here" > ~/made.txt\n';
const endless = 'image: host\ntasks:\n  - ticks: sleep 3600\n';

/** Presses something and waits for the page that answers. */
async function press(page, what) {
  await Promise.all([page.waitForEvent('domcontentloaded'), what.click()]);
}

const button = (page, name) => page.getByRole('main').getByRole('button', { name, exact: true });
const says = async (page, text) => (await page.locator('main').innerText()).includes(text);

/** Logs in; answers the session's cookies. */
export async function logIn() {
  const c = await context({ javaScriptEnabled: false });
  const { page } = await newPage(c);
  await page.goto(origin + '/submit');
  ok('who must log in is led there', page.url().startsWith(origin + '/login?next='));
  await page.getByLabel('Name').fill('admin');
  await page.getByLabel('Password').fill('not the password');
  await press(page, button(page, 'Log in'));
  ok('a wrong password is told', await says(page, 'Name and password do not match.'));
  await page.getByLabel('Password').fill(password);
  await press(page, button(page, 'Log in'));
  ok('a log-in leads to what was asked for', page.url() === origin + '/submit');
  const cookies = await c.cookies();
  ok('the session is hidden from scripts', cookies.some(cookie => cookie.name === 'hydra_session' && cookie.httpOnly));
  await c.close();
  return cookies;
}

/** Everything else, and logs out in the end. */
export async function withoutScript(cookies) {
  const c = await context({ javaScriptEnabled: false, acceptDownloads: true });
  await c.addCookies(cookies);
  const { page, said } = await newPage(c);
  const job = await submit(page);
  await watch(page, job);
  await readLog(page, job);
  await change(page, job);
  await cancel(page);
  await resubmit(page, job);
  await tokens(page);
  await page.goto(origin + '/');
  await page.locator('.menu > summary').click();
  await press(page, page.getByRole('button', { name: 'Log out' }));
  ok('a log-out ends the session', await page.getByRole('link', { name: 'Log in' }).first().isVisible());
  ok(`all of it without errors ${said}`, said.length === 0);
  await c.close();
}

async function submit(page) {
  await page.goto(`${origin}/submit?${new URLSearchParams({ manifest, tags: 'script/none', note: 'From a link', visibility: 'public' })}`);
  ok('a link fills the form', await page.locator('#manifest').inputValue() === manifest && await page.getByLabel('Note').inputValue() === 'From a link');
  await press(page, button(page, 'Check'));
  ok('the form is checked', await says(page, 'What would run'));
  await press(page, button(page, 'Submit'));
  ok('a job is submitted', /\/~admin\/job\/\d+$/.test(page.url()));
  return page.url();
}

async function watch(page, job) {
  await page.goto(job);
  await press(page, page.getByRole('link', { name: 'Reload every 5 s' }));
  await page.waitForFunction(() => document.querySelector('h1').textContent.includes('success'), null, { polling: 500 }).catch(() => {});
  // The page reloads itself until the job has ended, and then no more.
  await page.waitForSelector('h1:has-text("success")');
  ok('a running job is watched to its end', await says(page, 'tick 6') && await page.locator('meta[http-equiv=refresh]').count() === 0);
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'made.txt' }).click()]);
  ok('an artifact comes as a file', file.suggestedFilename() === 'made.txt' && fs.readFileSync(await file.path(), 'utf8') === 'made here\n');
}

async function readLog(page, job) {
  await page.getByLabel('Search in the log').fill('needle');
  await Promise.all([page.waitForEvent('domcontentloaded'), page.keyboard.press('Enter')]);
  ok('a log is searched', await says(page, 'Search: needle') && await page.locator('.hits code', { hasText: 'needle in the log' }).count() === 1);
  await press(page, page.locator('.hits a').first());
  ok('a hit leads to its line', /#task-ticks-8$/.test(page.url()) && await page.locator('#task-ticks-8').isVisible());
  await page.goto(`${job}?l=task-ticks-2:3#task-ticks-2`);
  ok('a link to a range marks it', await page.locator('.l.sel').count() === 2);
}

async function change(page, job) {
  await page.goto(job);
  await page.getByText('Change tags or who sees it').click();
  await page.getByLabel('Tags').fill('script/changed');
  await page.getByLabel('Only me').check();
  await press(page, button(page, 'Save'));
  ok('tags and visibility are changed', page.url() === job && await says(page, 'its owner only') && (await page.locator('h1').innerText()).includes('script/changed'));
  await page.goto(job + '/settings/details');
  await page.getByLabel('Tags').fill('x'.repeat(300));
  await press(page, button(page, 'Save'));
  ok('what is wrong is told, and kept', await says(page, 'at most 256 characters') && await page.getByLabel('Tags').inputValue() === 'x'.repeat(300));
}

async function cancel(page) {
  await page.goto(`${origin}/submit?${new URLSearchParams({ manifest: endless, tags: 'script/endless' })}`);
  await press(page, button(page, 'Submit'));
  await press(page, button(page, 'Cancel'));
  while (!(await page.locator('h1').innerText()).includes('cancelled')) await page.reload();
  ok('a job is cancelled', await button(page, 'Cancel').count() === 0);
}

async function resubmit(page, job) {
  await page.goto(job);
  await press(page, button(page, 'Resubmit'));
  ok('a job is submitted once more', /\/job\/\d+$/.test(page.url()) && page.url() !== job && await says(page, `Resubmission of build #${job.split('/').pop()}`));
  await press(page, button(page, 'Cancel'));
  await page.goto(`${origin}/~admin/job/${jobs.failed}`);
  await press(page, page.getByRole('link', { name: 'Edit and resubmit' }));
  ok('a manifest is edited before', (await page.locator('#manifest').inputValue()).includes('exit 101'));
}

async function tokens(page) {
  await page.goto(origin + '/');
  await page.locator('.menu > summary').click();
  await press(page, page.getByRole('link', { name: 'Tokens' }));
  await page.getByLabel('What is it for?').fill('a test of tokens');
  await page.getByLabel('JOBS: read', { exact: true }).check();
  await press(page, button(page, 'Make token'));
  const secret = await page.locator('.note-ok .copy code').innerText();
  const asked = () => fetch(origin + '/api/n1/jobs', { headers: { authorization: 'Bearer ' + secret } });
  ok('a token is made', (await asked()).status === 200);
  await press(page, page.getByRole('button', { name: 'Revoke a test of tokens' }));
  ok('and revoked', (await asked()).status === 401 && !await says(page, 'a test of tokens'));
}
