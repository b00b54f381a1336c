'use strict';
// Runs cells as a debugger's console does, through the debugging interface that Node.js has of itself: top-level `await`
// works, a later cell may declare a `const` or `let` anew, and all cells share one global scope.

const inspector = require('node:inspector');
const vm = require('node:vm');
const { withImports } = require('./imports');

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
      this.#cell = { reject, firstLine: code.split('\n', 1)[0], name };
      const request = {
        expression: `${withImports(code)}\n//# sourceURL=${name}`,
        replMode: true,
        awaitPromise: true,
        objectGroup: 'cell',
      };
      const post = () => this.#session.post('Runtime.evaluate', request, (failure, answer) => this.#finish(failure, answer, resolve, reject));
      // In a turn of its own: what is torn out of a loop takes with it the promises that are about to be settled, and
      // none of the kernel's may be among them.
      setImmediate(() => this.#breakable(post));
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
      .filter((line) => !(/^\s+at /.test(line) && (line.includes(__dirname) || line.includes('node:inspector') || line.includes('roadstead-cell'))))
      .join('\n');
  }

  /** Calls `post` such that SIGINT stops it, however busy it is. */
  #breakable(post) {
    const name = Symbol.for('roadstead.post');
    globalThis[name] = post;
    const script = new vm.Script(`{ const post = globalThis[Symbol.for('roadstead.post')]; delete globalThis[Symbol.for('roadstead.post')]; post(); }`, {
      filename: 'roadstead-cell',
    });
    try {
      script.runInThisContext({ breakOnSigint: true });
    } catch (error) {
      if (error?.code !== 'ERR_SCRIPT_EXECUTION_INTERRUPTED') throw error;
      this.interrupt();
    }
  }

  #finish(failure, answer, resolve, reject) {
    const cell = this.#cell;
    this.#cell = undefined;
    if (failure) return reject(new Interrupted()); // what was torn away has no answer
    const { result, exceptionDetails: exception } = answer;
    const value = this.#take(exception ? exception.exception : result);
    this.#session.post('Runtime.releaseObjectGroup', { objectGroup: 'cell' });
    if (!exception) return resolve(value);
    // The stack of a syntax error does not say where in the cell it is.
    if (value instanceof SyntaxError && cell && !String(value.stack).includes(cell.name)) {
      const { lineNumber: line, columnNumber: column } = exception;
      value.stack = `${cell.name}:${line + 1}:${column + 1}\n${value.stack}`;
    }
    reject(value);
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
