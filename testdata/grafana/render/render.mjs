// Draws dashboards with the data of the server at BACKEND:
//   node render.mjs MODULES TIMEZONE FOLDER '[{"file": "wolkvox_ivr.json", "language": "en", "mode": "light", "chosen": {"price": "0.05"}}]'
// Writes the pictures into the folder, and what each panel shows into shown.json.
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const [modules, timeZone, folder, drawings] = process.argv.slice(2);
const here = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(path.join(modules, 'render.mjs'));
const { build } = require('esbuild');
const { chromium } = require('playwright-core');

const origin = 'http://dashboard.test';
const timeout = 60_000; // milliseconds

const bundle = await build({
  entryPoints: [path.join(here, 'page.jsx')],
  nodePaths: [modules],
  bundle: true,
  write: false,
  outdir: folder,
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"' },
  loader: { '.ttf': 'empty' }, // for an editor that isn't shown
  logLevel: 'error',
});
const files = Object.fromEntries(bundle.outputFiles.map((file) => ['/' + path.basename(file.path), Buffer.from(file.contents)]));
files['/'] = Buffer.from(`<!doctype html>
<meta charset="utf-8">
<link rel="stylesheet" href="/page.css">
<body>
<div id="root" style="padding: 12px"></div>
<script>window.grafanaBootData = { settings: {}, user: {}, navTree: [] }</script>
<script src="/page.js"></script>
`);
const types = { '.css': 'text/css', '.js': 'text/javascript' };

// Grafana's packages lack its fonts and two icons.
const replacements = {
  'Inter-Regular.woff2': '@fontsource/inter/files/inter-latin-400-normal.woff2',
  'Inter-Medium.woff2': '@fontsource/inter/files/inter-latin-500-normal.woff2',
  'angle-double-left.svg': '@grafana/ui/dist/public/img/icons/unicons/angle-left.svg',
  'sync-slash.svg': '@grafana/ui/dist/public/img/icons/unicons/sync.svg', // shown while a query runs
};
const asset = (pathname) => path.join(modules, replacements[path.basename(pathname)] ?? '@grafana/ui/dist' + pathname.replace('/build/', '/'));

// The page can only load its own files and the database's data.
async function serve(route) {
  const url = new URL(route.request().url());
  if (url.origin !== origin) {
    return route.abort();
  }
  if (url.pathname === '/query') {
    const response = await fetch(process.env.BACKEND, { method: 'POST', body: route.request().postData() });
    return route.fulfill({ status: response.status, contentType: 'application/json', body: await response.text() });
  }
  const body = files[url.pathname];
  if (body) {
    return route.fulfill({ contentType: types[path.extname(url.pathname)] ?? 'text/html', body });
  }
  const file = asset(url.pathname);
  return route.fulfill(existsSync(file) ? { path: file } : { status: 404 });
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
  ],
});

async function draw({ file, language, mode, chosen }) {
  const dashboard = JSON.parse(await readFile(path.join(here, '..', file)));
  const locale = { en: 'en-US', es: 'es-CO' }[language];
  const page = await browser.newPage({ viewport: { width: 1340, height: 2000 }, timezoneId: timeZone, locale });
  page.setDefaultTimeout(timeout);
  const problems = [];
  page.on('pageerror', (error) => problems.push(String(error.stack)));
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text() + ' ' + message.location().url));
  await page.route('**', serve);
  await page.goto(origin);
  const overdue = new Promise((_, reject) => setTimeout(() => reject(new Error(`not drawn in time: ${problems}`)), timeout).unref());
  const panels = await Promise.race([page.evaluate((all) => window.show(...all), [dashboard, language, mode, timeZone, chosen ?? {}]), overdue]);
  const text = await page.innerText('body');
  await page.locator('#root').screenshot({ path: path.join(folder, `${language}-${mode}.png`), animations: 'disabled' });
  await page.close();
  return { file, language, mode, problems, text, panels };
}

const drawn = [];
for (const drawing of JSON.parse(drawings)) {
  drawn.push(await draw(drawing));
}
await browser.close();
await writeFile(path.join(folder, 'shown.json'), JSON.stringify(drawn, null, 1));
