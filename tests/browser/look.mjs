// Every page wide and narrow, light and dark, as axe sees it; and every page without script.
import path from 'node:path';
import { axe, context, each, empty, farm, jobs, newPage, ok, origin, shots } from './browser.mjs';

// `@` before an address: seen by somebody who has not logged in; `!`: by such a one, on a farm in which nothing is yet.
const pages = [
  ['home', '/'], ['welcome', '@/'], ['login', '@/login'], ['jobs', '/-/jobs'], ['jobs-none', '/-/jobs?q=nothing'],
  ['jobs-problem', '/-/jobs?q=x:y'], ['user', '@/~admin/slug'], ['job-failed', `/~admin/job/${jobs.failed}`],
  ['job-passed', `@/~admin/job/${jobs.passed}`], ['job-running', `/~admin/job/${jobs.running}`],
  ['job-long', `/~ann/job/${jobs.long}`], ['settings', `/~admin/job/${jobs.failed}/settings/details`],
  ['log', `/~admin/job/${jobs.failed}/log/task-test?q=FAILED`], ['submit-empty', '/submit'],
  ['submit', '/submit?manifest=image%3A%20debian%2Fstable%0Apackages%3A%20%5Bpython3%5D%0Aartifacts%3A%20%5Bslug%2Fdist.tar.gz%5D%0Atasks%3A%0A%20%20-%20test%3A%20cd%20slug%20%26%26%20python3%20-m%20unittest%0A%20%20-%20pack%3A%20tar%20czf%20slug%2Fdist.tar.gz%20slug%2Fsrc%0A&tags=slug%2Fmain&visibility=public'],
  ['submit-broken', '/submit?manifest=image%3A%20host%0Atasks%3A%0A%20%20-%20Not%20A%20Name%3A%20x%0A'],
  ['resubmit', `/resubmit/${jobs.failed}`], ['tokens', '/-/tokens'], ['graphql', '/graphql'], ['graphql-stranger', '@/graphql'], ['missing', '/~admin/job/99999'],
  ...Object.entries(farm),
  ...['/-/projects', '/evals', '/-/repositories', '/queue', '/status'].map(at => ['no' + at.replace(/[^a-z]+/g, '-'), '!' + at]),
];
const isStrangers = at => /^[@!]/.test(at);
const address = at => at.startsWith('!') ? empty + at.slice(1) : origin + at.replace(/^@/, '');
// Those that tell most stand in the manual, as everybody sees them.
const told = ['home', 'job-failed', 'job-running', 'submit'];
const looks = [[1280, 'light'], [1280, 'dark'], [360, 'light'], [360, 'dark']];
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
// What another appearance of the same page can change.
const ofColours = ['color-contrast', 'link-in-text-block'];

async function isNarrowEnough(page, what, width) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  ok(`${what} is not wider than its window (${wide})`, wide <= width);
}

async function shoot(page, name, tag) {
  if (!shots || !(told.includes(name) || process.env.SHOTS_OF === 'all')) return;
  // Whoever turns the wheel does not follow a running job's log.
  await page.mouse.move(100, 400);
  await page.mouse.wheel(0, -9);
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: path.join(shots, `${name}-${tag}.png`) });
}

async function axeFinds(page, runOnly) {
  const found = await page.evaluate(runOnly => axe.run(document, { runOnly, resultTypes: ['violations'] }), runOnly);
  return found.violations.flatMap(v => v.nodes.slice(0, 3).map(n =>
    `${v.id} ${n.target.join(' ')} ${n.html.slice(0, 160)} ${(n.any[0] || n.all[0] || n.none[0])?.message ?? ''}`));
}

/** All pages, each loaded once and looked at in every way. */
export async function withScript(cookies) {
  const members = await context(), strangers = await context();
  await members.addCookies(cookies);
  await each(pages, async ([name, at]) => {
    const { page, said } = await newPage(isStrangers(at) ? strangers : members);
    await page.setViewportSize({ width: 1280, height: 800 });
    const answer = await page.goto(address(at));
    ok(`${name} answers`, (name in farm ? answer.status() === 200 : answer.status() < 500) && await page.locator('h1').count() === 1);
    for (const [width, colorScheme] of looks) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await isNarrowEnough(page, `${name} ${width}-${colorScheme}`, width);
      await shoot(page, name, `${width}-${colorScheme}`);
    }
    await page.setViewportSize({ width: 320, height: 800 });
    await isNarrowEnough(page, `${name} reflowed`, 320);
    // What is folded is looked at, too.
    await page.evaluate(() => document.querySelectorAll('details:not(.menu)').forEach(d => { d.open = true; }));
    await page.evaluate(axe);
    for (const [width, colorScheme] of looks) {
      const what = `${name} ${width}-${colorScheme}`;
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await isNarrowEnough(page, `${what} unfolded`, width);
      const words = await axeFinds(page, colorScheme === 'light' ? rules : ofColours);
      ok(`${what} has nothing that axe finds${words.map(w => '\n    ' + w).join('')}`, words.length === 0);
    }
    ok(`${name} has no errors ${said}`, said.length === 0);
    await page.close();
  });
  await members.close();
  await strangers.close();
}

/** A job of a thousand steps, which axe would look at for minutes: in time, in its window, and not one by one. */
export async function manySteps(cookies) {
  const c = await context();
  await c.addCookies(cookies);
  const { page, said } = await newPage(c), start = Date.now();
  await page.goto(`${origin}/~ann/job/${jobs.large}`);
  ok(`a thousand steps are shown in ${Date.now() - start} ms`, Date.now() - start < 20_000);
  for (const width of [1280, 360, 320]) {
    await page.setViewportSize({ width, height: 800 });
    await isNarrowEnough(page, `job-large ${width}`, width);
  }
  ok('the strand is shortened', await page.locator('.strand li').count() < 20 && await page.locator('.step').count() === 1001);
  ok(`job-large has no errors ${said}`, said.length === 0);
  await c.close();
}

/** All pages as a browser shows them that runs no script. */
export async function withoutScript(cookies) {
  const members = await context({ javaScriptEnabled: false }), strangers = await context({ javaScriptEnabled: false });
  await members.addCookies(cookies);
  await each(pages, async ([name, at]) => {
    const { page, said } = await newPage(isStrangers(at) ? strangers : members), what = `${name} without script`;
    const answer = await page.goto(address(at));
    ok(`${what} answers`, answer.status() < 500 && await page.locator('h1').count() === 1);
    ok(`${what} ran none`, await page.locator('html.no-js').count() === 1);
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 800 });
      await isNarrowEnough(page, `${what} ${width}`, width);
    }
    // What only a script could do is not offered.
    const idle = await page.locator('[data-copy]:visible, [data-keys]:visible, [data-theme-next]:visible, #follow:visible').count();
    ok(`${what} offers nothing that needs one (${idle})`, idle === 0);
    ok(`${what} has no errors ${said}`, said.length === 0);
    await page.close();
  });
  await members.close();
  await strangers.close();
}
