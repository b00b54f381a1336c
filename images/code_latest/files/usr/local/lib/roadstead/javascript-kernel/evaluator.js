'use strict';
// Runs cells as a debugger's console does, through the debugging interface that Node.js has of itself: top-level `await`
// works, a later cell may declare a `const` or `let` anew, and all cells share one global scope.

const inspector = require('node:inspector');
const { withImports } = require('./imports');

const PRELUDE = 'await 0; ';

/** Thrown for a cell that was interrupted. */
class Interrupted extends Error {}

class Evaluator {
  #session = new inspector.Session();
  #taken;
  #takerId;
  #cell;

  constructor() {
    this.#session.connect();
    // The debugging interface speaks of objects by number. This function, called through it, gets the object itself.
    const name = Symbol.for('roadstead.take');
    globalThis[name] = (value) => {
      this.#taken = value;
    };
    this.#session.post('Runtime.evaluate', { expression: `globalThis[Symbol.for('roadstead.take')]` }, (_, { result }) => {
      this.#takerId = result.objectId;
    });
    delete globalThis[name];
  }

  /** The value of `code`'s last expression; throws what it throws, and Interrupted. `name` is what stacks call it. */
  run(code, name) {
    return new Promise((resolve, reject) => {
      const cell = { reject, name };
      this.#cell = cell;
      const request = {
        // After an `await`, the code has nothing of the kernel's below it on the stack, so that tearing it out of an
        // endless loop tears nothing else.
        expression: `${PRELUDE}${withImports(code)}\n//# sourceURL=${name}`,
        replMode: true,
        awaitPromise: true,
        objectGroup: 'cell',
      };
      const answered = (failure, answer) => this.#finish(cell, failure, answer, resolve);
      // In a turn of its own: with the code go the promises that are about to be settled, and none of the kernel's may
      // be among them.
      setImmediate(() => this.#session.post('Runtime.evaluate', request, answered));
    });
  }

  /** Ends the cell that runs, if one does. */
  interrupt() {
    this.#cell?.reject(new Interrupted());
    this.#cell = undefined;
  }

  /** A stack without the frames of this kernel and of the debugging interface. */
  ownFrames(stack) {
    return stack
      .split('\n')
      .filter((line) => !(/^\s+at /.test(line) && (line.includes(__dirname) || line.includes('node:inspector'))))
      .join('\n');
  }

  #finish(cell, failure, answer, resolve) {
    // What an interrupted cell still waited for may come while another one runs.
    if (this.#cell !== cell) return;
    this.#cell = undefined;
    if (failure) return cell.reject(failure);
    const { result, exceptionDetails: exception } = answer;
    const value = this.#take(exception ? exception.exception : result);
    this.#session.post('Runtime.releaseObjectGroup', { objectGroup: 'cell' });
    if (!exception) return resolve(value);
    // The stack of a syntax error does not say where in the cell it is.
    if (value instanceof SyntaxError && !String(value.stack).includes(cell.name)) {
      const { lineNumber: line, columnNumber: column } = exception;
      value.stack = `${cell.name}:${line + 1}:${column + 1 - (line ? 0 : PRELUDE.length)}\n${value.stack}`;
    }
    cell.reject(value);
  }

  #take({ objectId, unserializableValue, value }) {
    const argument = objectId ? { objectId } : unserializableValue ? { unserializableValue } : { value };
    const call = { objectId: this.#takerId, functionDeclaration: 'function (value) { this(value) }', arguments: [argument] };
    this.#session.post('Runtime.callFunctionOn', call);
    const taken = this.#taken;
    this.#taken = undefined;
    return taken;
  }
}

module.exports = { Evaluator, Interrupted };
