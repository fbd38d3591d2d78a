// The playground: sends what is written to /query, and shows what comes back. Without it the form asks by its address.
'use strict';
(() => {
const $ = id => document.getElementById(id), form = $('gql'), answer = $('gql-answer'), status = $('gql-status');
const show = (word, text) => { status.textContent = word; answer.textContent = text; answer.hidden = !text; };
const pretty = text => { try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; } };

form.addEventListener('submit', async e => {
  e.preventDefault();
  const headers = { 'Content-Type': 'application/json' }, token = $('gql-token').value.trim();
  let variables;
  try { variables = JSON.parse(form.elements.variables.value || '{}'); } catch (error) { return show('The variables are no JSON: ' + error.message, ''); }
  try { if (token) headers.Authorization = new Headers({ a: 'Bearer ' + token }).get('a'); } catch { return show('The token holds characters that no token has.', ''); }
  show('Asking…', '');
  try {
    const body = JSON.stringify({ query: form.elements.query.value, variables });
    const got = await fetch('/query', { method: 'POST', headers, body, credentials: token ? 'omit' : 'same-origin' });
    show('Answered with status ' + got.status, pretty(await got.text()));
  } catch (error) { show('No answer: ' + error.message, ''); }
});
form.addEventListener('keydown', e => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) { e.preventDefault(); form.requestSubmit(); } });

const schema = $('gql-schema');
schema.addEventListener('toggle', async () => {
  const into = schema.lastElementChild;
  if (!schema.open || into.dataset.done) return;
  into.dataset.done = '1';
  try { into.textContent = await (await fetch('/query/schema.graphql')).text(); } catch (error) { into.textContent = error.message; delete into.dataset.done; }
});
})();
