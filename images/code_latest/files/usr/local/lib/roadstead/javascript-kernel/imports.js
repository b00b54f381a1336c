'use strict';
// `import` in cells. Code that is run through the debugging interface has no module around it, so Node.js cannot resolve
// imports in it: they become calls of a function that can.

const acorn = require('acorn');

const IMPORT = '__roadstead_import';

/** `code` with its imports rewritten; code that does not parse stays as it is, for the real parser to complain about. */
function withImports(code) {
  if (!/\bimport\b/.test(code)) return code;
  let tree;
  try {
    tree = acorn.parse(code, { ecmaVersion: 'latest', sourceType: 'module', allowAwaitOutsideFunction: true });
  } catch {
    return code;
  }
  const edits = [];
  for (const node of tree.body) if (node.type === 'ImportDeclaration') edits.push([node.start, node.end, declaration(node)]);
  dynamic(tree, (node) => edits.push([node.start, node.start + 'import'.length, IMPORT]));
  // From the end, so that the places of the earlier ones stay right.
  edits.sort((a, b) => b[0] - a[0]);
  return edits.reduce((text, [start, end, by]) => text.slice(0, start) + by + text.slice(end), code);
}

function dynamic(node, found) {
  if (Array.isArray(node)) return node.forEach((item) => dynamic(item, found));
  if (!node || typeof node.type !== 'string') return;
  if (node.type === 'ImportExpression') found(node);
  for (const value of Object.values(node)) if (value && typeof value === 'object') dynamic(value, found);
}

/** `import a, { b as c } from 'm'` as a `const` of the same names. */
function declaration({ specifiers, source }) {
  const call = `await ${IMPORT}(${source.raw})`;
  if (specifiers.length === 0) return `${call};`;
  const name = (node) => node.name ?? JSON.stringify(node.value);
  const whole = specifiers.find(({ type }) => type === 'ImportNamespaceSpecifier');
  const parts = specifiers.flatMap(({ type, imported, local }) => {
    if (type === 'ImportDefaultSpecifier') return [`default: ${local.name}`];
    return type === 'ImportSpecifier' ? [`${name(imported)}: ${local.name}`] : [];
  });
  const lines = whole ? [`const ${whole.local.name} = ${call};`] : [];
  if (parts.length) lines.push(`const { ${parts.join(', ')} } = ${whole ? whole.local.name : call};`);
  return lines.join(' ');
}

module.exports = { IMPORT, withImports };
