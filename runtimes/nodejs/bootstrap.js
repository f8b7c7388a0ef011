'use strict';
/*
 * The Node.js runtime client: fetches events from the Runtime API, calls the handler, posts what it returns.
 *
 * Behaves as AWS's own client does, in error bodies, log lines and context. Runs on Node.js 14 and later with nothing but
 * its own modules. A response and the next poll are written in one go: one wake-up of the server instead of two.
 */

const fs = require('fs');
const Module = require('module');
const net = require('net');
const path = require('path');
const util = require('util');
const { pathToFileURL } = require('url');

const MAJOR = Number(process.versions.node.split('.')[0]);
const BASE = '/2018-06-01/runtime/';
const LEVELS = { TRACE: 0x07, DEBUG: 0x0b, INFO: 0x0f, WARN: 0x13, ERROR: 0x17, FATAL: 0x1b };
const ORDER = Object.keys(LEVELS);

/** Before a function can put another in its place. */
const clock = process.hrtime.bigint;

let currentRequestId;

// --- Logging -------------------------------------------------------------------------------------------------------

let jsonLogs = false;
let telemetryFd = null;

/** The environment is the function's. */
function configureLogs() {
  jsonLogs = process.env.AWS_LAMBDA_LOG_FORMAT === 'JSON';
  telemetryFd = process.env._LAMBDA_TELEMETRY_LOG_FD ? Number(process.env._LAMBDA_TELEMETRY_LOG_FD) : null;
  delete process.env._LAMBDA_TELEMETRY_LOG_FD;
}

function writeAll(fd, data) {
  let at = 0;
  while (at < data.length) {
    try {
      at += fs.writeSync(fd, data, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

/** One log entry; framed, so that one of many lines stays one event. */
function writeEntry(level, text) {
  if (telemetryFd === null) {
    writeAll(1, Buffer.from(text.replace(/\n/g, '\r') + '\n'));
    return;
  }
  const message = Buffer.from(text + '\n');
  const frame = Buffer.allocUnsafe(16 + message.length);
  frame.writeUInt32BE(0xa55a0000 + LEVELS[level] - (jsonLogs ? 1 : 0), 0);
  frame.writeUInt32BE(message.length, 4);
  frame.writeBigUInt64BE(BigInt(Date.now()) * 1000n, 8);
  message.copy(frame, 16);
  writeAll(telemetryFd, frame);
}

function jsonEntry(level, args) {
  const entry = { timestamp: new Date().toISOString(), level, requestId: currentRequestId };
  const error = args.find((arg) => arg instanceof Error);
  if (args.length === 1 && !(args[0] instanceof Error)) {
    entry.message = args[0];
    try {
      return JSON.stringify(entry);
    } catch (_) {
      entry.message = util.format(args[0]);
    }
  } else {
    entry.message = util.format(...args);
  }
  if (error) {
    entry.errorType = error.name;
    entry.errorMessage = error.message;
    entry.stackTrace = typeof error.stack === 'string' ? error.stack.split('\n') : [];
  }
  return JSON.stringify(entry);
}

function log(level, ...args) {
  if (jsonLogs) {
    const least = ORDER.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL || 'INFO');
    if (ORDER.indexOf(level) >= least) writeEntry(level, jsonEntry(level, args));
    return;
  }
  const text = util.format(...args);
  writeEntry(level, `${new Date().toISOString()}\t${currentRequestId}\t${level}\t${text}`);
}

function patchConsole() {
  const methods = { log: 'INFO', info: 'INFO', debug: 'DEBUG', trace: 'TRACE', warn: 'WARN', error: 'ERROR', fatal: 'FATAL' };
  for (const [method, level] of Object.entries(methods)) {
    console[method] = (...args) => log(level, ...args);
  }
}

// --- Errors --------------------------------------------------------------------------------------------------------

class RuntimeFault extends Error {
  constructor(kind, message) {
    super(message);
    this.name = kind;
  }
}

function isError(value) {
  return value !== null && typeof value === 'object' && typeof value.name === 'string' &&
    typeof value.message === 'string' && typeof value.stack === 'string';
}

function errorBody(error) {
  if (isError(error)) {
    return { errorType: error.name, errorMessage: error.message, trace: error.stack.split('\n') };
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

/** What the log shows of an error: its own members too. */
function errorText(error) {
  if (!isError(error)) return JSON.stringify(errorBody(error));
  const shown = { errorType: error.name, errorMessage: error.message };
  for (const key of Object.keys(error)) if (!(key in shown) && key !== 'name' && key !== 'message') shown[key] = error[key];
  shown.stack = error.stack.split('\n');
  try {
    return JSON.stringify(shown);
  } catch (_) {
    return JSON.stringify(errorBody(error));
  }
}

function logError(what, error) {
  if (jsonLogs) log('ERROR', error);
  else log('ERROR', `${what} \t${errorText(error)}`);
}

// --- The Runtime API -----------------------------------------------------------------------------------------------

/** What a response is answered with, nearly always. */
const ACCEPTED = Buffer.from('HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n');
const DONE = { status: 202, headers: {}, body: '' };
const READ_BYTES = 65536;

class RuntimeApi {
  constructor(address) {
    const [host, port] = address.split(':');
    this.host = address;
    // What has come of an answer that is not whole, and how much has to be there before it is worth looking at.
    this.parts = [];
    this.have = 0;
    this.need = 0;
    this.waiting = [];
    // Answers that came before anybody asked: one packet can hold two.
    this.answers = [];
    // Read past the stream: its queue and its events would be a third of an invoke's work here.
    const callback = (count, buffer) => {
      this.received(buffer.subarray(0, count));
      return true;
    };
    this.socket = net.connect({ host, port: Number(port || 80), onread: { buffer: Buffer.allocUnsafeSlow(READ_BYTES), callback } });
    this.socket.setNoDelay(true);
    // The platform has gone away; so does the runtime.
    this.socket.on('close', () => process._originalExit(1));
    this.socket.on('error', () => process._originalExit(1));
    this.next = `GET ${BASE}invocation/next HTTP/1.1\r\nHost: ${address}\r\n\r\n`;
  }

  /** The memory is the next read's, too. */
  received(data) {
    let buffer = data;
    if (this.have) {
      this.parts.push(Buffer.from(data));
      this.have += data.length;
      if (this.have < this.need) return;
      buffer = Buffer.concat(this.parts);
    }
    let at = 0;
    while (at < buffer.length) {
      const next = this.parse(buffer, at);
      if (next < 0) break;
      at = next;
    }
    this.have = buffer.length - at;
    this.parts = this.have ? [Buffer.from(buffer.subarray(at))] : [];
  }

  /** Takes the answer that begins here; returns where the next one does, or -1 when it is not whole. */
  parse(buffer, at) {
    this.need = 0;
    const after = at + ACCEPTED.length;
    if (after <= buffer.length && buffer.compare(ACCEPTED, 0, ACCEPTED.length, at, after) === 0) {
      this.give(DONE);
      return after;
    }
    const end = buffer.indexOf('\r\n\r\n', at);
    if (end < 0) return -1;
    const lines = buffer.toString('latin1', at, end).split('\r\n');
    const headers = {};
    for (let i = 1; i < lines.length; i++) {
      const colon = lines[i].indexOf(':');
      headers[lines[i].slice(0, colon).toLowerCase()] = lines[i].slice(colon + 1).trim();
    }
    const total = end + 4 + Number(headers['content-length'] || 0);
    if (buffer.length < total) {
      this.need = total - at;
      return -1;
    }
    this.give({ status: Number(lines[0].split(' ')[1]), headers, body: buffer.toString('utf8', end + 4, total) });
    return total;
  }

  give(answer) {
    const waiter = this.waiting.shift();
    if (waiter) waiter(answer);
    else this.answers.push(answer);
  }

  answer() {
    if (this.answers.length) return Promise.resolve(this.answers.shift());
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  post(where, body, errorType) {
    const extra = errorType ? `Lambda-Runtime-Function-Error-Type: ${errorType.replace(/[^\x20-\x7e]/g, '?')}\r\n` : '';
    const head = `POST ${BASE}${where} HTTP/1.1\r\nHost: ${this.host}\r\nContent-Type: application/json\r\n${extra}` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
    return head + body;
  }
}

// --- The handler ---------------------------------------------------------------------------------------------------

const FUNCTION = /^([^.]*)\.(.*)$/;

function findFile(base) {
  for (const ending of ['', '.js', '.mjs', '.cjs']) {
    const file = base + ending;
    if (fs.existsSync(file) && fs.statSync(file).isFile()) return file;
  }
  return null;
}

/**
 * `import` does not look at NODE_PATH, so the SDK is mounted once more above /var/task, where `import` finds it behind
 * whatever the function brings. `require` must not: for it, layers in NODE_PATH come before the SDK.
 */
function hideFromRequire(mounted) {
  const paths = Module._nodeModulePaths;
  Module._nodeModulePaths = (from) => {
    const found = paths.call(Module, from);
    return from.startsWith(mounted + '/') ? found : found.filter((one) => one !== mounted);
  };
}

/**
 * Lets `import` find packages of layers, where there are any. Up to Node.js 20 that takes a thread, and some 40 ms; also
 * for functions that are required: they too may import.
 */
function importFromLayers() {
  const directories = (process.env.NODE_PATH || '').split(':')
    .filter((directory) => directory.endsWith('/node_modules') && directory !== path.join(__dirname, 'node_modules'))
    .filter((directory) => fs.existsSync(directory));
  if (directories.length === 0) return;
  // Packages are looked for beside and above who imports them.
  const places = directories.map((directory) => pathToFileURL(path.join(path.dirname(directory), 'layer.mjs')).href);
  const file = path.join(__dirname, 'layer_imports.js');
  if (Module.registerHooks) Module.registerHooks({ resolve: require(file).resolver(places) });
  else if (Module.register) Module.register(pathToFileURL(file).href, { data: places });
}

async function loadModule(root, directory, name) {
  const file = findFile(path.resolve(root, directory, name));
  try {
    if (file === null) return require(require.resolve(name, { paths: [path.resolve(root, directory)] }));
    // import() takes CommonJS too, but only require gives a module that can be replaced and mocked as on AWS.
    if (file.endsWith('.mjs') || (!file.endsWith('.cjs') && isModulePackage(path.dirname(file), root))) {
      return await import(pathToFileURL(file).href);
    }
    return require(file);
  } catch (error) {
    if (error instanceof SyntaxError) throw Object.assign(new RuntimeFault('Runtime.UserCodeSyntaxError', error.toString()), { stack: error.stack });
    if (error && (error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND')) {
      const text = file === null ? `Error: Cannot find module '${name}'\nRequire stack:\n- /var/runtime/index.mjs` : error.toString();
      throw new RuntimeFault('Runtime.ImportModuleError', text);
    }
    throw error;
  }
}

/** Whether the nearest package.json says that `.js` files are ES modules. */
function isModulePackage(directory, root) {
  for (let at = directory; ; at = path.dirname(at)) {
    const file = path.join(at, 'package.json');
    if (fs.existsSync(file)) {
      try {
        return JSON.parse(fs.readFileSync(file, 'utf8')).type === 'module';
      } catch (_) {
        return false;
      }
    }
    if (at === root || at === path.dirname(at)) return false;
  }
}

async function findHandler() {
  const root = process.env.LAMBDA_TASK_ROOT || '/var/task';
  const full = process.env._HANDLER;
  if (full.includes('..')) throw new RuntimeFault('Runtime.MalformedHandlerName', `'${full}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  const file = path.basename(full);
  const directory = full.slice(0, full.length - file.length);
  const match = file.match(FUNCTION);
  if (!match || match.length !== 3) throw new RuntimeFault('Runtime.MalformedHandlerName', 'Bad handler');
  const [, name, exported] = match;
  const module = await loadModule(root, directory, name);
  const pick = (from) => exported.split('.').reduce((value, key) => (value === undefined || value === null ? undefined : value[key]), from);
  let handler = pick(module);
  if (handler === undefined && module && module.default) handler = pick(module.default);
  if (handler === undefined) throw new RuntimeFault('Runtime.HandlerNotFound', `${full} is undefined or not exported`);
  if (typeof handler !== 'function') throw new RuntimeFault('Runtime.HandlerNotFound', `${full} is not a function`);
  if (MAJOR >= 24 && handler.length > 2) {
    throw new RuntimeFault('Runtime.CallbackHandlerDeprecated',
      'AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to modify this function to use a supported handler signature to use Node.js 24 or later.');
  }
  return handler;
}

// --- Invocations ---------------------------------------------------------------------------------------------------

function makeContext(headers, finish) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  let waits = true;
  const context = {
    get callbackWaitsForEmptyEventLoop() { return waits; },
    set callbackWaitsForEmptyEventLoop(value) { waits = value; },
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parse(headers['lambda-runtime-client-context'], 'ClientContext'),
    identity: parse(headers['lambda-runtime-cognito-identity'], 'CognitoIdentity'),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
  if (headers['lambda-runtime-aws-tenant-id']) context.tenantId = headers['lambda-runtime-aws-tenant-id'];
  if (MAJOR < 24) {
    context.done = (error, result) => finish(error, result);
    context.succeed = (result) => finish(null, result);
    context.fail = (error) => finish(error === undefined || error === null ? 'handled' : error);
  }
  return context;
}

function parse(text, what) {
  if (!text) return undefined;
  try {
    return JSON.parse(Buffer.from(text, 'latin1').toString('utf8'));
  } catch (error) {
    throw new Error(`Cannot parse ${what} as json: ${error.toString()}`);
  }
}

/** Runs the handler; resolves with what to post, when it is time to post them. */
function invoke(api, handler, headers, body) {
  const id = headers['lambda-runtime-aws-request-id'];
  return new Promise((resolve) => {
    let done = false;
    let later = null;
    const succeed = (result) => {
      let text;
      try {
        text = JSON.stringify(result === undefined ? null : result);
        if (text === undefined) text = 'null';
      } catch (_) {
        return fail(new Error('Unable to stringify response body'));
      }
      resolve(api.post(`invocation/${id}/response`, text));
    };
    const fail = (error) => {
      logError('Invoke Error', error);
      const shown = errorBody(error);
      resolve(api.post(`invocation/${id}/error`, JSON.stringify(shown), shown.errorType));
    };
    const settle = (error, result) => (error !== undefined && error !== null ? fail(error) : succeed(result));
    // Callbacks wait for the event loop to run empty, unless the function says otherwise; promises don't.
    const finish = (error, result) => {
      if (done) return;
      done = true;
      const now = (error !== undefined && error !== null) || !context.callbackWaitsForEmptyEventLoop;
      if (now) setImmediate(settle, error, result);
      else later = () => settle(error, result);
    };
    uncaught = (error) => {
      if (!done || later) {
        done = true;
        later = null;
        fail(error);
      }
    };
    idle = () => {
      const post = later;
      later = null;
      // Nothing is left to run and nothing was answered: AWS answers null.
      if (post) post();
      else if (!done) {
        done = true;
        succeed(null);
      }
    };
    let context;
    try {
      context = makeContext(headers, finish);
      const event = JSON.parse(body);
      const result = handler(event, context, MAJOR < 24 ? (error, value) => finish(error, value) : undefined);
      if (result !== null && typeof result === 'object' && typeof result.then === 'function') {
        result.then(
          (value) => { if (!done) { done = true; succeed(value); } },
          (error) => { if (!done) { done = true; fail(error === undefined ? 'undefined' : error); } });
      }
    } catch (error) {
      if (!done) { done = true; fail(error); }
    }
  });
}

/** What the running invocation does about errors that nobody caught, and about an empty event loop. */
let uncaught = null;
let idle = null;

/** The connection to the Runtime API. Where this process was started before its function was known, it waits for that here. */
async function connect() {
  const waiting = process.env._LAMBENT_PARKED_FD;
  if (!waiting) return new RuntimeApi(process.env.AWS_LAMBDA_RUNTIME_API);
  const client = {
    RuntimeApi,
    findHandler,
    invoke: async (...args) => {
      await invoke(...args);
      uncaught = null;
      idle = null;
    },
  };
  return require('./parking').wait(Number(waiting), client);
}

async function main() {
  patchConsole();
  hideFromRequire('/node_modules');
  process._originalExit = process.exit.bind(process);
  const api = await connect();
  configureLogs();
  importFromLayers();
  const giveUp = async (error) => {
    logError('Uncaught Exception', error);
    const shown = errorBody(error);
    api.socket.ref();
    api.socket.write(api.post('init/error', JSON.stringify(shown), shown.errorType));
    await api.answer();
    process._originalExit(1);
  };
  process.on('uncaughtException', (error) => {
    if (uncaught) {
      // As on AWS, the process does not go on after this: its state is unknown.
      const report = uncaught;
      uncaught = null;
      crashing = true;
      report(error);
    } else {
      giveUp(error);
    }
  });
  process.on('unhandledRejection', (reason) => {
    const fault = new RuntimeFault('Runtime.UnhandledPromiseRejection', isError(reason) ? `${reason.name}: ${reason.message}` : String(reason));
    fault.reason = isError(reason) ? { errorType: reason.name, errorMessage: reason.message, stack: reason.stack.split('\n') } : reason;
    fault.promise = {};
    process.emit('uncaughtException', fault);
  });
  process.on('beforeExit', () => { if (idle) idle(); });
  let crashing = false;
  let handler;
  try {
    handler = await findHandler();
  } catch (error) {
    return giveUp(error);
  }
  // For the server's figures: when the handler was there. Other servers don't mind.
  api.socket.write(`${api.next.slice(0, -2)}Lambent-Handler-At: ${clock()}\r\n\r\n`);
  for (let posted = false; ; posted = true) {
    api.socket.ref();
    if (posted) {
      const accepted = await api.answer();
      if (accepted.status >= 400 && accepted.status !== 413) writeEntry('ERROR', `The runtime API refused the response: ${accepted.body}`);
    }
    const { headers, body } = await api.answer();
    currentRequestId = headers['lambda-runtime-aws-request-id'];
    if (headers['lambda-runtime-trace-id']) process.env._X_AMZN_TRACE_ID = headers['lambda-runtime-trace-id'];
    else delete process.env._X_AMZN_TRACE_ID;
    // The connection must not keep the event loop from running empty while the handler works.
    api.socket.unref();
    const posting = await invoke(api, handler, headers, body);
    uncaught = null;
    idle = null;
    api.socket.ref();
    if (crashing) {
      api.socket.write(posting);
      await api.answer();
      process._originalExit(129);
    }
    api.socket.write(posting + api.next);
  }
}

main();
