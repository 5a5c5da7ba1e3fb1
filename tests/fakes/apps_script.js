// Runs a function of configs/deploy/apps-script/Code.gs as Google does, with small fakes of its services.
// node apps_script.js CODE FUNCTION BASE PROPERTIES: prints what the person saw as JSON. The requests
// for https://HOST go to BASE, a server on this machine.
'use strict';
const fs = require('fs');
const vm = require('vm');
const { spawnSync } = require('child_process');

const [code, name, base, properties] = process.argv.slice(2);
const seen = { toasts: [], alerts: [], menu: [], logged: [], requests: [] };
const kept = JSON.parse(properties);

// UrlFetchApp.fetch waits for the answer, as nothing in node does: another process sends the request.
const SEND = `
  const { url, options } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
  fetch(url, options).then(async (answer) => {
    process.stdout.write(JSON.stringify({ status: answer.status, text: await answer.text() }));
  }).catch(() => process.exit(1));
`;

function fetchNow(url, options) {
  const target = new URL(url);
  seen.requests.push(url);
  const input = JSON.stringify({
    url: base + target.pathname + target.search,
    options: {
      method: (options.method || 'get').toUpperCase(),
      headers: { ...options.headers, ...(options.contentType && { 'Content-Type': options.contentType }) },
      body: options.payload,
      redirect: options.followRedirects === false ? 'manual' : 'follow',
    },
  });
  const sent = spawnSync(process.execPath, ['-e', SEND], { input, encoding: 'utf8' });
  if (sent.status !== 0) throw new Error('Address unavailable: ' + url);
  const { status, text } = JSON.parse(sent.stdout);
  if (status >= 400 && !options.muteHttpExceptions) throw new Error('Request failed: ' + status);
  return { getResponseCode: () => status, getContentText: () => text };
}

const menu = {
  addItem: (title, called) => (seen.menu.push([title, called]), menu),
  addSeparator: () => menu,
  addToUi: () => undefined,
};
const ui = {
  ButtonSet: { OK: 'OK' },
  createMenu: () => menu,
  alert: (title, prompt, buttons) => seen.alerts.push([title, prompt, buttons]),
};
const context = vm.createContext({
  console: { log: (text) => seen.logged.push(String(text)) },
  SpreadsheetApp: {
    getUi: () => ui,
    getActive: () => ({ toast: (text, title) => seen.toasts.push([title, text]) }),
  },
  PropertiesService: { getScriptProperties: () => ({ getProperty: (key) => kept[key] ?? null }) },
  UrlFetchApp: { fetch: fetchNow },
});
vm.runInContext(fs.readFileSync(code, 'utf8'), context, { filename: 'Code.gs' });
vm.runInContext(`${name}()`, context);
process.stdout.write(JSON.stringify(seen));
