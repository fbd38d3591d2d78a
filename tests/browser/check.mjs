// Looks at every page as a person does, wide and narrow, light and dark, with script and without; and uses them.
// Environment: MODULES (folder of node_modules), ORIGIN, EMPTY (origin of a farm in which nothing is yet), PASSWORD, JOBS
// (JSON of numbers), FARM (JSON of addresses), SHOTS (a folder, or empty), SHOTS_OF (`all` for every page's picture).
import { end, part } from './browser.mjs';
import * as folds from './folds.mjs';
import * as look from './look.mjs';
import * as script from './with-script.mjs';
import * as plain from './without-script.mjs';

const cookies = await part('log in', plain.logIn);
await part('looks', () => look.withScript(cookies));
await part('a thousand steps', () => look.manySteps(cookies));
await part('looks without script', () => look.withoutScript(cookies));
await part('folds', folds.withScript);
await part('folds without script', folds.withoutScript);
await part('use', () => script.withScript(cookies));
await part('use without script', () => plain.withoutScript(cookies));
await end();
