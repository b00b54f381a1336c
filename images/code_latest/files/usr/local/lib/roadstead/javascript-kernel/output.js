'use strict';
// What the user's code shows: streams, displays and results, on the way to the thread that sends them.
//
// An object decides how it is shown by methods: `[Symbol.for('Jupyter.display')]()` returns a whole bundle of MIME types
// to data; toHtml(), toMarkdown(), toLatex(), toSvg(), toPng() and toJpeg() (also with a leading `_`) return one
// form each, pictures as Buffer or Base64. What util.inspect says of it is always there.

const util = require('node:util');

const MOST_OUTSTANDING_CHARS = 1 << 23;

const METHODS = {
  toHtml: 'text/html',
  toMarkdown: 'text/markdown',
  toLatex: 'text/latex',
  toSvg: 'image/svg+xml',
  toPng: 'image/png',
  toJpeg: 'image/jpeg',
};

class Output {
  #channels;
  // Characters of stream output that the other thread has not sent yet.
  #outstanding = new Int32Array(new SharedArrayBuffer(4));
  /** Header of the request that output now belongs to. */
  parent = {};

  constructor(channels) {
    this.#channels = channels;
    channels.postMessage({ kind: 'hello', outstanding: this.#outstanding });
  }

  publish(type, content) {
    this.#channels.postMessage({ kind: 'publish', type, content, parent: this.parent });
  }

  reply({ type, header, identities }, content) {
    this.#channels.postMessage({ kind: 'reply', type: type.replace(/_request$/, '_reply'), content, parent: header, identities });
  }

  /** Waits while more is under way than anybody reads: memory is for the user's data. */
  stream(name, text) {
    for (let many; (many = Atomics.load(this.#outstanding, 0)) > MOST_OUTSTANDING_CHARS; ) Atomics.wait(this.#outstanding, 0, many);
    Atomics.add(this.#outstanding, 0, text.length);
    this.#channels.postMessage({ kind: 'stream', name, text, parent: this.parent });
  }

  /** Makes writes to one of the process's streams output of the cell. */
  capture(stream, name) {
    const decoder = new util.TextDecoder();
    stream.write = (chunk, encoding, callback) => {
      const text = typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
      if (text) this.stream(name, text);
      const done = typeof encoding === 'function' ? encoding : callback;
      if (done) process.nextTick(done, null);
      return true;
    };
  }

  /** Shows `value` beside the result. */
  display(value) {
    this.displayBundle(this.bundle(value));
  }

  displayBundle(data) {
    this.publish('display_data', { data: serializable(data), metadata: {}, transient: {} });
  }

  /** `value` in every form it has. */
  bundle(value) {
    const data = { 'text/plain': this.inspect(value) };
    if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return data;
    const whole = value[Symbol.for('Jupyter.display')];
    if (typeof whole === 'function') Object.assign(data, whole.call(value));
    for (const [method, type] of Object.entries(METHODS)) {
      const show = value[method] ?? value[`_${method}`];
      if (typeof show === 'function' && !(type in data)) data[type] = show.call(value);
    }
    return serializable(data);
  }

  inspect(value) {
    return util.inspect(value, { depth: 4, maxArrayLength: 200, maxStringLength: 100_000 });
  }
}

/** Bytes as Base64, and nothing that is no JSON. */
function serializable(data) {
  const entries = Object.entries(data).filter(([, form]) => form !== undefined && form !== null);
  return Object.fromEntries(
    entries.map(([type, form]) => [type, form instanceof Uint8Array ? Buffer.from(form).toString('base64') : JSON.parse(JSON.stringify(form))]),
  );
}

module.exports = { Output };
