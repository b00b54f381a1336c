'use strict';
// The thread that owns the kernel's sockets. It hands requests to the main thread, sends what comes back, and answers by
// itself what must be answered while the main thread runs somebody's endless loop: heartbeats and the control channel.

const fs = require('node:fs');
const crypto = require('node:crypto');
const inspector = require('node:inspector');
const { parentPort, workerData } = require('node:worker_threads');
const zmq = require('zeromq');
const { Codec, kernelInfo } = require('./messages');

const INTERRUPT_PATIENCE_MS = 50;
const STREAM_CHUNK_CHARS = 1 << 16;

const connection = JSON.parse(fs.readFileSync(workerData.connectionFile, 'utf8'));
const codec = new Codec(connection.key, crypto.randomUUID());
// A debugger's connection to the main thread: the one way to stop code that never comes back.
const debug = new inspector.Session();

const shell = new zmq.Router();
const control = new zmq.Router();
const stdin = new zmq.Router();
const heartbeat = new zmq.Router();
// No message is dropped; the main thread waits when too much is under way (output.js).
const iopub = new zmq.Publisher({ sendHighWaterMark: 0 });

const senders = new Map([shell, control, iopub].map((socket) => [socket, Promise.resolve()]));
let waiting; // output of one stream that is not sent yet
let outstanding; // how much output is under way; shared with the main thread
let interruptId = 0;
let acknowledged = 0;

main().catch((error) => {
  throw error;
});

async function main() {
  debug.connectToMainThread();
  parentPort.on('message', fromMain);
  const sockets = { shell, control, stdin, hb: heartbeat, iopub };
  await Promise.all(Object.entries(sockets).map(([name, socket]) => socket.bind(address(`${name}_port`))));
  send(iopub, codec.encode('status', { execution_state: 'starting' }));
  await Promise.all([echo(), receive(shell, 'shell'), receive(control, 'control')]);
}

function address(port) {
  const { transport, ip } = connection;
  return transport === 'ipc' ? `ipc://${ip}-${connection[port]}` : `${transport}://${ip}:${connection[port]}`;
}

async function echo() {
  for await (const frames of heartbeat) await heartbeat.send(frames);
}

async function receive(socket, channel) {
  for await (const frames of socket) {
    const message = codec.decode(frames);
    if (!message) continue;
    if (channel === 'control' || message.type === 'shutdown_request') await controlled(socket, message);
    else parentPort.postMessage({ kind: 'request', ...message });
  }
}

/** A request that does not wait for the main thread. */
async function controlled(socket, message) {
  const reply = (type, content) => send(socket, codec.encode(type, content, message.header, message.identities));
  publish('status', { execution_state: 'busy' }, message.header);
  switch (message.type) {
    case 'kernel_info_request':
      reply('kernel_info_reply', kernelInfo);
      break;
    case 'interrupt_request':
      await interrupt();
      reply('interrupt_reply', { status: 'ok' });
      break;
    case 'shutdown_request':
      await reply('shutdown_reply', { status: 'ok', restart: message.content.restart ?? false });
      break;
  }
  await publish('status', { execution_state: 'idle' }, message.header);
  if (message.type === 'shutdown_request') {
    debug.post('Runtime.terminateExecution');
    parentPort.postMessage({ kind: 'exit' });
  }
}

/** A main thread that listens ends its cell by itself; one that does not is torn out of what it does, then listens. */
async function interrupt() {
  const id = ++interruptId;
  while (acknowledged < id) {
    parentPort.postMessage({ kind: 'interrupt', id });
    await new Promise((resolve) => setTimeout(resolve, INTERRUPT_PATIENCE_MS));
    if (acknowledged < id) debug.post('Runtime.terminateExecution');
  }
}

function fromMain(message) {
  switch (message.kind) {
    case 'hello':
      outstanding = message.outstanding;
      break;
    case 'interrupted':
      acknowledged = message.id;
      break;
    case 'stream':
      stream(message);
      break;
    case 'publish':
      publish(message.type, message.content, message.parent);
      break;
    case 'reply':
      flush();
      send(shell, codec.encode(message.type, message.content, message.parent, message.identities.map((id) => Buffer.from(id))));
      break;
  }
}

/** Pieces of one stream that arrive together go out together. */
function stream({ name, text, parent }) {
  if (waiting && (waiting.name !== name || waiting.parent.msg_id !== parent.msg_id)) flush();
  if (!waiting) {
    waiting = { name, parent, text: '' };
    setImmediate(flush);
  }
  waiting.text += text;
  if (waiting.text.length >= STREAM_CHUNK_CHARS) flush();
}

function flush() {
  if (!waiting) return;
  const { name, text, parent } = waiting;
  waiting = undefined;
  send(iopub, codec.encode('stream', { name, text }, parent)).then(() => {
    Atomics.sub(outstanding, 0, text.length);
    Atomics.notify(outstanding, 0);
  });
}

function publish(type, content, parent) {
  flush();
  return send(iopub, codec.encode(type, content, parent));
}

/** A socket takes one message at a time. */
function send(socket, frames) {
  const sent = senders.get(socket).then(() => socket.send(frames));
  senders.set(socket, sent);
  return sent;
}
