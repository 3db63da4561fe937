// Drives the page of the service in headless Chromium, as a person would:
// `node examples/service/tests/browser.mjs PROGRAM FOLDER`. Screenshots go to FOLDER.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import assert from 'node:assert/strict';

const [program, folder] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const sleep = time => new Promise(wake => setTimeout(wake, time));

function startService(listen) {
  const service = spawn(program, ['--listen', listen, '--threads', '2'], { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((started, failed) => {
    service.stdout.on('data', data => {
      const address = /http:\/\/\S+/.exec(data);
      if (address) started({ service, address: address[0] });
    });
    service.on('exit', code => failed(new Error(`the service ended: ${code}`)));
  });
}

// Chromium's own protocol, over pipes: messages in JSON, each ended by a zero byte.
const profile = mkdtempSync(join(tmpdir(), 'service-'));
const chromium = spawn('chromium', [
  '--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--window-size=1100,800',
  `--user-data-dir=${profile}`, '--remote-debugging-pipe', 'about:blank',
], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
const waiting = new Map();
let last = 0, session, rest = '';
chromium.stdio[4].on('data', data => {
  const messages = (rest + data).split('\0');
  rest = messages.pop();
  for (const text of messages) {
    const message = JSON.parse(text);
    const ends = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error) ends?.[1](new Error(message.error.message));
    else ends?.[0](message.result);
  }
});
function call(method, params = {}) {
  const id = ++last;
  chromium.stdio[3].write(JSON.stringify({ id, method, params, sessionId: session }) + '\0');
  return new Promise((...ends) => waiting.set(id, ends));
}
async function evaluate(expression) {
  const { result, exceptionDetails } = await call('Runtime.evaluate', { expression, returnByValue: true });
  assert(!exceptionDetails, JSON.stringify(exceptionDetails));
  return result.value;
}
async function until(expression) {
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(50)) {
    if (await evaluate(expression)) return;
  }
  throw new Error(`never: ${expression}`);
}
async function screenshot(name) {
  const { data } = await call('Page.captureScreenshot');
  writeFileSync(join(folder, name), Buffer.from(data, 'base64'));
}
const mouse = (type, x, y, more = {}) =>
  call('Input.dispatchMouseEvent', { type, x, y, button: 'left', buttons: 1, clickCount: 1, ...more });
async function click(id) {
  await evaluate(`document.getElementById('${id}').scrollIntoView({ block: 'nearest' })`);
  const { x, y } = await evaluate(`(({ x, y, width, height }) => ({ x: x + width / 2, y: y + height / 2 }))
    (document.getElementById('${id}').getBoundingClientRect())`);
  await mouse('mousePressed', x, y);
  await mouse('mouseReleased', x, y);
}
const number = id => evaluate(`Number.parseFloat(document.getElementById('${id}').textContent)`);
const allDrawn = `document.querySelectorAll('.tile').length > 0
  && document.querySelectorAll('.tile').length === document.querySelectorAll('.tile img').length`;

let { service, address } = await startService('127.0.0.1:0');
try {
  const { targetInfos } = await call('Target.getTargets');
  const page = targetInfos.find(({ type }) => type === 'page');
  session = (await call('Target.attachToTarget', { targetId: page.targetId, flatten: true })).sessionId;
  await call('Page.enable');
  await call('Page.navigate', { url: address });
  await until(`document.title === 'A map drawn by filch' && ${allDrawn}`);

  // The buttons and the wheel zoom; dragging pans.
  await click('in');
  await until(`location.hash.startsWith('#3/') && ${allDrawn}`);
  const place = `(() => {
    const [zoom, x, y] = location.hash.slice(1).split('/').map(Number), across = 256 * 2 ** zoom;
    return [x + (300 - map.clientWidth / 2) / across, y + (500 - map.clientHeight / 2) / across];
  })()`;
  const pointed = await evaluate(place);
  await mouse('mouseWheel', 300, 500, { deltaX: 0, deltaY: -120 });
  await until(`location.hash.startsWith('#4/') && ${allDrawn}`);
  // Zooming with the wheel keeps the point under the mouse in its place.
  (await evaluate(place)).forEach((at, i) => assert(Math.abs(at - pointed[i]) < 1e-6, 'it moved'));
  const before = await evaluate('location.hash');
  await mouse('mousePressed', 400, 300);
  await mouse('mouseMoved', 250, 260);
  await mouse('mouseReleased', 250, 260);
  assert.notEqual(await evaluate('location.hash'), before);
  await until(allDrawn);

  // The map stays usable while a batch runs.
  await click('start');
  await until(`document.getElementById('progress').value > 0`);
  await click('in');
  await until(allDrawn);
  await until(`document.querySelectorAll('#workers .bar').length === 2`);
  assert(await number('drawn') > 10);
  assert(await number('p99') > 0);
  await screenshot('service.png');

  // Zooming away before a tile is drawn cancels it.
  for (let i = 0; i < 12; i++) await click(i % 2 ? 'out' : 'in');
  await until(`Number.parseFloat(document.getElementById('gone').textContent) > 0`);
  await click('stop');
  await until(`document.getElementById('stop').disabled`);

  // When the service ends, the page reports it. When the service is back, the map recovers.
  service.removeAllListeners('exit');
  service.kill();
  await until(`!document.getElementById('error').hidden`);
  await click('in');
  await until(`document.querySelectorAll('.tile.failed').length > 0`);
  await screenshot('no-service.png');
  ({ service } = await startService(new URL(address).host));
  await until(`document.getElementById('error').hidden && ${allDrawn}`);
  console.log('the page works');
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  service.removeAllListeners('exit');
  service.kill();
  const ended = new Promise(ended => chromium.on('exit', ended));
  chromium.kill();
  await ended;
  rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
process.exit();
