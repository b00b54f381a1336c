'use strict';
// A Jupyter kernel for JavaScript: `node --no-force-async-hooks-checks kernel.js CONNECTION_FILE`.
//
// Two threads. This one runs the user's code, so it may be busy for ever; it never touches a socket. The other one
// (channels.js) owns the sockets: heartbeats are answered, output flows and interrupts arrive also while this one loops.
// Without the flag, Node.js ends the process when code is interrupted inside a callback: it takes the call it left in a
// hurry for a corrupted stack.

const { Worker } = require('node:worker_threads');
const fs = require('node:fs');
const path = require('node:path');
const { Evaluator, Interrupted } = require('./evaluator');
const { Output } = require('./output');
const { install } = require('./globals');
const { kernelInfo } = require('./messages');

const channels = new Worker(path.join(__dirname, 'channels.js'), { workerData: { connectionFile: process.argv[2] } });
const output = new Output(channels);
const evaluator = new Evaluator();
let executionCount = 0;
let interrupted = 0;
let queue = Promise.resolve();

/** Requests on the shell channel, by type; each returns the content of its reply. */
const handlers = {
  kernel_info_request: () => kernelInfo,
  execute_request: execute,
  is_complete_request: () => ({ status: 'unknown' }),
  complete_request: ({ cursor_pos: at }) => ({ status: 'ok', matches: [], cursor_start: at, cursor_end: at, metadata: {} }),
  inspect_request: () => ({ status: 'ok', found: false, data: {}, metadata: {} }),
  history_request: () => ({ status: 'ok', history: [] }),
  comm_info_request: () => ({ status: 'ok', comms: {} }),
};

channels.on('message', (message) => {
  switch (message.kind) {
    case 'request':
      // One after the other, in the order they came.
      queue = queue.then(() => answer(message)).catch((error) => output.stream('stderr', `${error?.stack ?? error}\n`));
      break;
    case 'interrupt':
      // Asked for again and again until it is confirmed.
      if (message.id !== interrupted) evaluator.interrupt();
      interrupted = message.id;
      channels.postMessage({ kind: 'interrupted', id: message.id });
      break;
    case 'exit':
      process.exit(0);
  }
});
channels.on('error', (error) => {
  // Not through process.stderr, which is the cell's.
  fs.writeSync(2, `the kernel's channels failed: ${error?.stack ?? error}\n`);
  process.exit(1);
});

process.on('SIGINT', () => evaluator.interrupt());
// What fails outside a cell, such as in a timer, is told and ends nothing.
process.on('uncaughtException', (error) => output.stream('stderr', `Uncaught ${describe(error).traceback.join('\n')}\n`));
// Node.js waits at its exit for debuggers to leave, and the other thread is one.
process.on('exit', (code) => process.reallyExit(code));

output.capture(process.stdout, 'stdout');
output.capture(process.stderr, 'stderr');
install(output);

async function answer(request) {
  const handle = handlers[request.type];
  if (!handle) return;
  output.parent = request.header;
  output.publish('status', { execution_state: 'busy' });
  const content = await handle(request.content);
  output.reply(request, content);
  output.publish('status', { execution_state: 'idle' });
}

async function execute({ code, silent = false, store_history: counted = !silent }) {
  if (counted || executionCount === 0) executionCount += 1;
  const count = executionCount;
  if (!silent) output.publish('execute_input', { code, execution_count: count });
  try {
    const value = await evaluator.run(code, `cell-${count}.js`);
    if (value !== undefined && !silent) {
      output.publish('execute_result', { execution_count: count, data: output.bundle(value), metadata: {} });
    }
    return { status: 'ok', execution_count: count, payload: [], user_expressions: {} };
  } catch (thrown) {
    const error = describe(thrown);
    if (!silent) output.publish('error', error);
    return { status: 'error', execution_count: count, ...error };
  }
}

/** An error as Jupyter tells it. Anything can be thrown. */
function describe(thrown) {
  if (thrown instanceof Interrupted) return { ename: 'KeyboardInterrupt', evalue: '', traceback: ['KeyboardInterrupt'] };
  const isError = thrown !== null && typeof thrown === 'object' && 'message' in thrown;
  const ename = isError ? String(thrown.name ?? 'Error') : typeof thrown;
  const evalue = String(isError ? thrown.message : output.inspect(thrown));
  const stack = isError && typeof thrown.stack === 'string' ? evaluator.ownFrames(thrown.stack) : `${ename}: ${evalue}`;
  return { ename, evalue, traceback: stack.split('\n') };
}
