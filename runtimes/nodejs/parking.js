'use strict';
/*
 * A client that has started before anybody knew for which function: it does what it can ahead, waits, and becomes what it
 * is told to be. A function must not be able to tell, except by the clock.
 *
 * Node.js's own modules can be loaded ahead: no package can take their place.
 */

const fs = require('fs');
const Module = require('module');

const PRELOADED = [
  'assert', 'async_hooks', 'buffer', 'child_process', 'crypto', 'dns', 'events', 'fs/promises', 'http', 'https', 'os', 'perf_hooks',
  'querystring', 'readline', 'stream', 'string_decoder', 'timers/promises', 'tls', 'url', 'util', 'worker_threads', 'zlib',
];

/** A handler's module in small: what a first load and a first call touch, is in memory from now on. */
const SOURCE = `
const os = require('os');
exports.handler = async (event, context) => ({ event, path: process.env.PATH, id: context.awsRequestId, left: context.getRemainingTimeInMillis() });
`;
const DIRECTORY = '/dev/shm/rehearsal';
const FILE = `${DIRECTORY}/rehearsed.js`;

/** Resolves with the connection to the Runtime API as soon as this process is a function's; its directory and environment are then. */
exports.wait = async (fd, client) => {
  for (const name of PRELOADED) {
    try {
      require(name);
    } catch (_) {
      // This version has no such module.
    }
  }
  await rehearse(client);
  const api = new client.RuntimeApi(process.env.AWS_LAMBDA_RUNTIME_API);
  await new Promise((resolve) => api.socket.once('connect', resolve));
  delete require.cache[__filename];
  module.parent.children.splice(module.parent.children.indexOf(module), 1);
  fs.writeSync(fd, 'r');
  const told = receive(fd);
  process.chdir(told.cwd);
  for (const name of Object.keys(process.env)) delete process.env[name];
  for (const [name, value] of told.env) process.env[name] = value;
  return api;
};

/** Blocks: there is nothing else to do. */
function receive(fd) {
  const parts = [];
  for (;;) {
    const part = Buffer.allocUnsafe(65536);
    const count = fs.readSync(fd, part, 0, part.length, null);
    if (count === 0) break;
    parts.push(part.subarray(0, count));
  }
  if (parts.length === 0) process._originalExit(0);
  fs.closeSync(fd);
  return JSON.parse(Buffer.concat(parts).toString('utf8'));
}

async function rehearse(client) {
  await import('data:text/javascript,export default 0');
  fs.mkdirSync(DIRECTORY);
  fs.writeFileSync(FILE, SOURCE);
  Object.assign(process.env, { LAMBDA_TASK_ROOT: DIRECTORY, _HANDLER: 'rehearsed.handler' });
  const handler = await client.findHandler();
  const api = Object.assign(Object.create(client.RuntimeApi.prototype), { host: 'rehearsal', parts: [], have: 0, need: 0, waiting: [], answers: [] });
  api.received(Buffer.from(
    'HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: 1\r\nlambda-runtime-deadline-ms: 1\r\ncontent-length: 9\r\n\r\n{"a":[1]}'));
  const { headers, body } = await api.answer();
  await client.invoke(api, handler, headers, body);
  delete process.env.LAMBDA_TASK_ROOT;
  delete process.env._HANDLER;
  delete require.cache[FILE];
  const loaders = [module, module.parent, require.main];
  for (const { children } of loaders) {
    const place = children.findIndex((child) => child.filename === FILE);
    if (place >= 0) children.splice(place, 1);
  }
  for (const key of Object.keys(Module._pathCache)) {
    if (key.includes(DIRECTORY)) delete Module._pathCache[key];
  }
  fs.unlinkSync(FILE);
  fs.rmdirSync(DIRECTORY);
}
