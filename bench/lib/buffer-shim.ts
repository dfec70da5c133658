// What the AWS Encryption SDK expects of a page: Node's Buffer.

export { Buffer } from '../aws-browser/node_modules/buffer/index.js';
