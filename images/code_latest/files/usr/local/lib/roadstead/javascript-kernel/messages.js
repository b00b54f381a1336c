'use strict';
// Jupyter's messages on the wire: [identities…, <IDS|MSG>, signature, header, parent header, metadata, content, buffers…],
// signed with the key of the connection file.

const crypto = require('node:crypto');

const DELIMITER = '<IDS|MSG>';
const PROTOCOL = '5.3';

/** What the kernel says of itself. */
const kernelInfo = {
  status: 'ok',
  protocol_version: PROTOCOL,
  implementation: 'roadstead-javascript',
  implementation_version: '1.0',
  banner: `Node.js ${process.version}`,
  language_info: {
    name: 'javascript',
    version: process.versions.node,
    mimetype: 'application/javascript',
    file_extension: '.js',
  },
  help_links: [],
};

/** Signs and reads messages of one connection. */
class Codec {
  constructor(key, session) {
    this.key = key;
    this.session = session;
  }

  /** Frames of a message of ours. */
  encode(type, content, parent = {}, identities = []) {
    const header = {
      msg_id: crypto.randomUUID(),
      session: this.session,
      username: 'kernel',
      date: new Date().toISOString(),
      msg_type: type,
      version: PROTOCOL,
    };
    const parts = [header, parent, {}, content].map((part) => JSON.stringify(part));
    return [...identities, DELIMITER, this.sign(parts), ...parts];
  }

  /** A message from its frames; undefined when it is not whole, or not signed by whoever has the key. */
  decode(frames) {
    const at = frames.findIndex((frame) => frame.toString() === DELIMITER);
    if (at < 0 || frames.length < at + 6) return undefined;
    const parts = frames.slice(at + 2, at + 6);
    const given = frames[at + 1];
    const expected = Buffer.from(this.sign(parts));
    if (given.length !== expected.length || !crypto.timingSafeEqual(given, expected)) return undefined;
    try {
      const [header, , , content] = parts.map((part) => JSON.parse(part.toString()));
      return { identities: frames.slice(0, at), header, type: header.msg_type, content };
    } catch {
      return undefined;
    }
  }

  sign(parts) {
    if (!this.key) return '';
    const hmac = crypto.createHmac('sha256', this.key);
    for (const part of parts) hmac.update(part);
    return hmac.digest('hex');
  }
}

module.exports = { Codec, kernelInfo };
