'use strict';
// What a cell finds around it, as a file in the working directory would: `require`, `module`, `import` (imports.js), and
// `display` for showing things in the middle of a cell: display(value), display.html(text), .markdown, .latex, .svg,
// .png(buffer), .jpeg(buffer), .json(value), .mime({ type: data, … }).

const Module = require('node:module');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { IMPORT } = require('./imports');

const FORMS = {
  html: 'text/html',
  markdown: 'text/markdown',
  latex: 'text/latex',
  svg: 'image/svg+xml',
  png: 'image/png',
  jpeg: 'image/jpeg',
  json: 'application/json',
};

function install(output) {
  const file = path.join(process.cwd(), 'cell.js');
  const module = new Module(file, null);
  module.filename = file;
  module.paths = Module._nodeModulePaths(process.cwd());
  const require = Module.createRequire(file);
  const display = (value) => output.display(value);
  for (const [name, type] of Object.entries(FORMS)) display[name] = (form) => output.displayBundle({ [type]: form });
  display.mime = (bundle) => output.displayBundle(bundle);
  define({ require, module, exports: module.exports, __filename: file, __dirname: process.cwd(), display });
  define({ [IMPORT]: (specifier) => load(require, String(specifier)) }, false);
}

function define(values, enumerable = true) {
  for (const [name, value] of Object.entries(values)) {
    Object.defineProperty(globalThis, name, { value, enumerable, writable: true, configurable: true });
  }
}

/** Imports as a module in the working directory would. */
function load(require, specifier) {
  if (/^[a-z]+:/i.test(specifier) || Module.builtinModules.includes(specifier)) return import(specifier);
  if (/^(\.{0,2}\/)/.test(specifier)) return import(pathToFileURL(path.resolve(specifier)));
  return import(pathToFileURL(require.resolve(specifier)));
}

module.exports = { install };
